import { Counter, Histogram, Registry } from 'prom-client';
import {
  cpuSecondsOf,
  machineCpuOf,
  readMachineCpu,
  readProcess,
} from '../../../../scripts/lib/measure/figures/usage.js';
import { Scrape } from '../../../../scripts/lib/local/metrics-page.js';
import {
  difference,
  phaseMeans,
  stageCountersOf,
  total,
} from '../../../../scripts/lib/measure/figures/stage-counters.js';
import { createStageMetrics } from '../../../../services/stage/accounts/metrics.js';

describe('/proc', () => {
  it('CPU seconds are found behind any name of a program', () => {
    const rest = 'S 1 1 1 0 -1 4194560 10 0 0 0 150 50 0 0 20 0 11 0 100 1 1';
    expect(cpuSecondsOf(`42 (node) ${rest}`)).toBe(2);
    expect(cpuSecondsOf(`42 (a) b (c) ${rest}`)).toBe(2);
  });

  it('the machine’s are all but idle and waiting', () => {
    expect(machineCpuOf('cpu  100 20 30 9999 999 4 6 0 50 0\ncpu0 1 1 1 1\n')).toBe(1.6);
  });

  it('knows no process that does not exist', () => expect(readProcess(0)).toBeNull());

  // Elsewhere the benchmark goes without.
  const onLinux = process.platform === 'linux' ? it : it.skip;
  onLinux('tells of this process', () => {
    const { cpuSeconds, mainThreadSeconds, rssBytes } = readProcess(process.pid)!;
    expect(cpuSeconds).toBeGreaterThan(0);
    expect(mainThreadSeconds).toBeGreaterThan(0);
    expect(mainThreadSeconds).toBeLessThanOrEqual(cpuSeconds);
    expect(rssBytes).toBeGreaterThan(1 << 20);
    expect(readMachineCpu()).toBeGreaterThanOrEqual(cpuSeconds);
  });
});

describe('a page of metrics', () => {
  it('is summed over the samples of a name with a label', async () => {
    const registry = new Registry();
    const counter = new Counter({ name: 'a_total', help: 'a', labelNames: ['x'], registers: [registry] });
    counter.inc({ x: '1' }, 2);
    counter.inc({ x: '2' }, 3e9);
    new Histogram({ name: 'b', help: 'b', buckets: [1], registers: [registry] }).observe(0.5);
    const scrape = new Scrape(await registry.metrics());
    expect(scrape.total('a_total')).toBe(3_000_000_002);
    expect(scrape.total('a_total', 'x="1"')).toBe(2);
    expect(scrape.total('b_sum')).toBe(0.5);
    expect(scrape.total('b_bucket', 'le="+Inf"')).toBe(1);
    expect(scrape.total('a')).toBe(0);
  });

  it('of a stage tells what it did between two readings', async () => {
    const metrics = createStageMetrics(
      { stage: 'stage-1', layers: '0-9' },
      { queueDepth: () => 0, sequences: () => 0, kvUsedRatio: () => 0 },
    );
    const read = async () => stageCountersOf(await metrics.registry.metrics());
    metrics.stepSeconds.observe({ phase: 'decode' }, 5);
    const before = await read();
    metrics.busySeconds.inc(1.5);
    for (const seconds of [0.01, 0.03]) metrics.stepSeconds.observe({ phase: 'decode' }, seconds);
    for (const seconds of [0.001, 0.002, 0.003]) metrics.queueSeconds.observe({ phase: 'decode' }, seconds);
    metrics.linkSeconds.observe(0.004);
    metrics.linkBytes.inc({ direction: 'out' }, 100);
    metrics.linkBytes.inc({ direction: 'in' }, 7);
    const did = difference(await read(), before);
    expect(did).toMatchObject({ busySeconds: 1.5, hops: 1, hopSeconds: 0.004, bytesOut: 100 });
    const decode = phaseMeans(did, 'decode')!;
    expect(decode).toMatchObject({ steps: 2, sequences: 1.5 });
    expect(decode.stepMs).toBeCloseTo(20);
    expect(decode.queueMs).toBeCloseTo(2);
    expect(phaseMeans(did, 'prefill')).toBeNull();
    expect(total(did, did).busySeconds).toBe(3);
  });
});
