import { leftovers, TOLERANCE, type Census, type CountedProcess } from '../../../scripts/lib/chaos/census.js';
import {
  brokenRules,
  GOOD,
  Ledger,
  type Observed,
  reportJson,
  reportText,
} from '../../../scripts/lib/chaos/report.js';

const process = (name: string, more: Partial<CountedProcess> = {}): CountedProcess => ({
  name,
  rssBytes: 2 ** 20,
  sockets: 6,
  pipes: 11,
  files: 8,
  others: 8,
  threads: 13,
  ...more,
});
const CENSUS: Census = {
  running: 0,
  waiting: 0,
  replicas: [{ name: 'stage-0.1', sequences: 0, kvUsed: 0 }],
  processes: [process('gateway.1'), process('gateway.1.daprd'), process('stage-0.1')],
};

describe('what is left over', () => {
  it('is nothing when all is as before, or a little more', () => {
    expect(leftovers(CENSUS, CENSUS)).toEqual([]);
    const { sockets, ...others } = CENSUS.processes[0]!;
    const processes = [{ ...others, sockets: sockets + TOLERANCE.sockets }, ...CENSUS.processes.slice(1)];
    expect(leftovers(CENSUS, { ...CENSUS, processes })).toEqual([]);
  });

  it.each<[string, Partial<Census>]>([
    ['2 requests still run', { running: 2 }],
    ['1 requests still wait', { waiting: 1 }],
    [
      'stage-0.1 still has 1 sequences and 64 tokens of KV',
      { replicas: [{ name: 'stage-0.1', sequences: 1, kvUsed: 64 }] },
    ],
    [
      'stage-0.1 still has 0 sequences and 5 tokens of KV',
      { replicas: [{ name: 'stage-0.1', sequences: 0, kvUsed: 5 }] },
    ],
    ['stage-0.1 is not in the topology any more', { replicas: [] }],
    ['stage-0.1 does not run any more', { processes: CENSUS.processes.slice(0, 2) }],
    ['gateway.1.daprd does not run any more', { processes: [process('gateway.1'), process('stage-0.1')] }],
    [
      'gateway.1 has 46 sockets, before 6',
      { processes: [process('gateway.1', { sockets: 46 }), ...CENSUS.processes.slice(1)] },
    ],
    [
      'gateway.1 has 20 threads, before 13',
      { processes: [process('gateway.1', { threads: 20 }), ...CENSUS.processes.slice(1)] },
    ],
  ])('is told: %s', (line, more) => {
    expect(leftovers(CENSUS, { ...CENSUS, ...more })).toEqual([line]);
  });
});

describe('a report', () => {
  const ledger = new Ledger();
  ledger.add(GOOD, 'answered');
  ledger.add('vanish', 'left');
  ledger.add('flood', 'refused');
  const SOUND: Observed = {
    seed: 1,
    duration: 20,
    faults: [{ kind: 'vanish', planned: 2, done: 1 }],
    endings: ledger.endings,
    pauses: [120, 80],
    health: [1, 2, 3],
    healthFailures: 0,
    ownDelay: 4,
    unrecovered: [],
    before: CENSUS,
    after: CENSUS,
  };
  const endings = (add: (ledger: Ledger) => void): Pick<Observed, 'endings'> => {
    const more = new Ledger();
    more.add(GOOD, 'answered');
    add(more);
    return { endings: more.endings };
  };

  it('finds no fault where only their own clients made requests fail', () => {
    expect(brokenRules(SOUND)).toEqual([]);
    expect(reportText(SOUND)).toContain('Nothing failed, changed or was left behind.');
    expect(reportText(SOUND)).toContain('done/planned: vanish 1/2');
  });

  it.each<[string, Partial<Observed>]>([
    [
      '2 flood requests failed by no fault of theirs: 500; 503',
      endings((more) => ['500', '503'].forEach((reason) => more.add('flood', 'failed', reason))),
    ],
    [
      '1 good requests were answered with another text: "a" for "b"',
      endings((more) => more.add(GOOD, 'changed', '"a" for "b"')),
    ],
    ['no request was answered', { endings: [] }],
    ['/health did not answer 1 of 4 times', { healthFailures: 1 }],
    ['stage-1.2 has not come back', { unrecovered: ['stage-1.2 has not come back'] }],
    ['3 requests still run', { after: { ...CENSUS, running: 3 } }],
  ])('has a line for each rule that is broken: %s', (line, more) => {
    const broken = { ...SOUND, ...more };
    expect(brokenRules(broken)).toEqual([line]);
    expect(reportText(broken)).toContain(`✗ ${line}`);
  });

  it('is written with percentiles, and the rules that are broken', () => {
    expect(JSON.parse(reportJson({ ...SOUND, healthFailures: 1 }))).toMatchObject({
      broken: ['/health did not answer 1 of 4 times'],
      health: { p50: 2, p99: 3 },
      pauses: { p50: 80, p99: 120 },
      endings: [{ kind: GOOD, answered: 1 }, { left: 1 }, { refused: 1 }],
      after: CENSUS,
    });
  });

  it('keeps every count, and a few reasons, each once', () => {
    const many = new Ledger();
    for (let index = 0; index < 50; index++) many.add('flood', 'failed', `reason ${index % 25}`);
    expect(many.endings).toMatchObject([{ kind: 'flood', failed: 50, answered: 0 }]);
    expect(new Set(many.endings[0]!.reasons).size).toBe(8);
  });
});
