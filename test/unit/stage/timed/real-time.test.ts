import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { claimRealTime } from '../../../../services/stage/timed/real-time.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';

describe('the thread of an emulated device', () => {
  const folder = temporaryFolder();
  /** A command in the place of chrt. */
  const script = (text: string): string => {
    const path = join(folder.path, 'chrt');
    writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return path;
  };

  it('asks for the priority of itself, and of nobody else', () => {
    const asked = join(folder.path, 'asked');
    expect(claimRealTime({ command: script(`echo "$@" > ${asked}`) })).toBeNull();
    expect(readFileSync(asked, 'utf8')).toBe(`-f -p 1 ${process.pid}\n`);
  });

  it.each([
    [
      `echo "chrt: failed to set pid 7's policy: Operation not permitted" >&2; exit 1`,
      /^chrt: failed to set/,
    ],
    ['exit 3', /^Command failed/],
    ['exec sleep 60', /ETIMEDOUT/],
  ])('goes on without it, and knows why: %s', (refusal, reason) => {
    const began = performance.now();
    expect(claimRealTime({ command: script(refusal), limitMs: 300 })).toMatch(reason);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('goes on where there is no such command', () => {
    expect(claimRealTime({ command: join(folder.path, 'none') })).toMatch(/ENOENT/);
  });
});
