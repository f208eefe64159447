import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
import {
  choosePorts,
  portVariables,
  type TargetGroup,
  targetsOf,
  writeTargets,
} from '../../../scripts/lib/local/telemetry/targets.js';
import { missingPrograms } from '../../../scripts/lib/local/telemetry/programs.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const read = (...path: string[]): string => readFileSync(join(repositoryRoot, 'otel', ...path), 'utf8');

describe('what Prometheus is told of a system', () => {
  const folder = temporaryFolder();
  const processes = [
    { appId: 'gateway', replica: 1, metricsPort: 1, sidecarMetricsPort: 2 },
    { appId: 'stage-0', replica: 1, metricsPort: 3, sidecarMetricsPort: 4 },
    { appId: 'stage-0', replica: 2, metricsPort: 5, sidecarMetricsPort: 6 },
  ];
  const addresses = (groups: readonly TargetGroup[]): string[] => groups.flatMap(({ targets }) => targets);

  it('has every process, with the labels that the rules rely on', () => {
    const targets = targetsOf(processes, 'smollm', { spanMetrics: 7, metrics: 8 });
    expect(addresses(targets.gateway)).toEqual(['127.0.0.1:1']);
    // Its series name their models themselves.
    expect(targets.gateway[0]!.labels).toEqual({ app_id: 'gateway', replica: 'gateway.1' });
    expect(addresses(targets.stage)).toEqual(['127.0.0.1:3', '127.0.0.1:5']);
    expect(targets.stage[1]!.labels).toEqual({
      app_id: 'stage-0',
      replica: 'stage-0.2',
      model_name: 'smollm',
    });
    expect(addresses(targets.sidecar)).toEqual(['127.0.0.1:2', '127.0.0.1:4', '127.0.0.1:6']);
    expect(addresses(targets.spans)).toEqual(['127.0.0.1:7']);
    expect(addresses(targets.collector)).toEqual(['127.0.0.1:8']);
  });

  it('has no sidecars in the direct mesh, and no collector where there is none', () => {
    const direct = processes.map((each) => ({ ...each, sidecarMetricsPort: null }));
    const targets = targetsOf(direct, 'smollm', null);
    expect([targets.sidecar, targets.spans, targets.collector]).toEqual([[], [], []]);
  });

  it('stands in the files that its configuration names', () => {
    const { scrape_configs: jobs } = parse(read('prometheus', 'prometheus.yaml')) as {
      scrape_configs: { file_sd_configs: { files: string[] }[] }[];
    };
    const files = jobs.flatMap((job) => job.file_sd_configs.flatMap((each) => each.files));
    const targets = targetsOf(processes, 'smollm', null);
    expect(files).toEqual(Object.keys(targets).map((job) => `targets/${job}.json`));
    writeTargets(join(folder.path, 'targets'), targets);
    for (const file of files) {
      expect(Array.isArray(JSON.parse(readFileSync(join(folder.path, file), 'utf8')))).toBe(true);
    }
  });
});

describe('the ports of a local run', () => {
  it('are all variables that the configurations read', async () => {
    const text =
      read('collector', 'base.yaml') +
      read('collector', 'jaeger.yaml') +
      read('jaeger', 'config.yaml') +
      read('jaeger', 'monitor.yaml');
    const names = Object.keys(portVariables(await choosePorts()));
    expect(names.filter((name) => !text.includes(`\${env:${name}:-`))).toEqual([]);
    const ports = [...text.matchAll(/\$\{env:(\w+(?:_PORT|_ENDPOINT|_URL)):-/g)].map(([, name]) => name!);
    expect([...new Set(ports)].sort()).toEqual(names.sort());
  });
});

describe('programs that are missing', () => {
  it('get a line each that says what is missed and what to do', () => {
    const lines = missingPrograms({ collector: null, jaeger: '/bin/jaeger', prometheus: null }).map((each) =>
      each.toLine('warning'),
    );
    expect(lines).toEqual([
      expect.stringMatching(
        /^warning\[telemetry_missing\]: there is no otelcol-contrib or otelcol: .*README/,
      ),
      expect.stringMatching(/^warning\[telemetry_missing\]: there is no prometheus: .*README/),
    ]);
  });
});
