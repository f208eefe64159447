import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { delayPods } from '../../../../scripts/lib/measure/sites/pod-delays.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import { thrownBy } from '../../../support/thrown-by.js';

const folder = temporaryFolder();
const never = new AbortController().signal;

/** Says what it was asked for on its way out: a hundred bytes for each millisecond and other pod. */
const PROGRAM = `
  const [address, ms, others] = process.argv.slice(2);
  if (address === '10.0.0.9') { console.error('no such pod'); process.exit(1); }
  process.on('SIGTERM', () => {
    console.log('sent ' + 100 * ms * others.split(',').length);
    process.exit();
  });
  setInterval(() => undefined, 1000);
  console.log('ready');
`;

const pods = [
  { app: 'gateway', address: '10.0.0.1' },
  { app: 'stage-0', address: '10.0.0.2' },
  { app: 'stage-0', address: '10.0.0.3' },
];

const delayed = async (more: typeof pods = []) => {
  const path = join(folder.path, 'delay.cjs');
  await writeFile(path, PROGRAM);
  return delayPods({ command: `${process.execPath} ${path}`, pods: [...pods, ...more], ms: 5 }, never);
};

it('every pod is delayed towards all others, and what each app sent is told', async () => {
  const stop = await delayed();
  expect(await stop()).toEqual({ gateway: 1_000, 'stage-0': 2_000 });
  expect(await stop()).toEqual({ gateway: 1_000, 'stage-0': 2_000 });
});

it('fails with what the program wrote when one pod cannot be delayed', async () => {
  const error = await thrownBy(() => delayed([{ app: 'stage-1', address: '10.0.0.9' }]));
  expect(error.code).toBe('process_failed');
  expect(error.message).toBe('a pod cannot be delayed: no such pod');
});

it('fails when there is no such program', async () => {
  const error = await thrownBy(() => delayPods({ command: 'no-such-program', pods, ms: 1 }, never));
  expect(error.code).toBe('process_failed');
  expect(error.message).toContain('ENOENT');
});
