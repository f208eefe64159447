import { timingSafeEqual } from 'node:crypto';
import {
  appendFileSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  renameSync,
  writeFileSync,
  mkdirSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { digestOf, parseKeyList } from '../../../../services/gateway/keys/key-list.js';
import { keyFile, KeyRing, openKeyRing, type KeySource } from '../../../../services/gateway/keys/key-ring.js';
import { eventually } from '../../../support/eventually.js';
import { thrownBy } from '../../../support/thrown-by.js';

const keyOf = (name: string): string => `sk-of-${name}-0123456789`;
const listOf = (...names: string[]): string =>
  JSON.stringify(names.map((name) => ({ name, key: keyOf(name), requests_per_minute: 10 })));
const ringOf = (...names: string[]): KeyRing => new KeyRing(parseKeyList(listOf(...names)));

describe('a ring of keys', () => {
  it('knows whose each key is, and nobody else', () => {
    const ring = ringOf('alice', 'bob');
    expect(ring.find(keyOf('alice'))?.name).toBe('alice');
    expect(ring.find(keyOf('bob'))?.name).toBe('bob');
    for (const wrong of ['', keyOf('carol'), keyOf('alice').slice(0, -1), `${keyOf('alice')}x`])
      expect(ring.find(wrong)).toBeNull();
    expect(new KeyRing([]).find(keyOf('alice'))).toBeNull();
  });

  it('lets a tenant of the same name go on with what it has used, by whatever key', () => {
    const ring = ringOf('alice', 'bob');
    ring.find(keyOf('alice'))!.begin();
    ring.replace(parseKeyList(listOf('alice').replace(keyOf('alice'), keyOf('alice-new'))));
    expect(ring.find(keyOf('alice'))).toBeNull();
    expect(ring.find(keyOf('bob'))).toBeNull();
    expect(ring.find(keyOf('alice-new'))!.headers['x-ratelimit-remaining-requests']).toBe('9');
  });
});

/** The middle of how much longer the second takes than the first, by runs in turn, of which each is many calls. */
function slowdown(first: () => unknown, second: () => unknown): number {
  const time = (call: () => unknown): number => {
    const started = performance.now();
    for (let calls = 0; calls < 20; calls += 1) call();
    return performance.now() - started;
  };
  const ratios = Array.from({ length: 41 }, (_, turn) => {
    // Whoever is first of a pair is so every other time.
    if (turn % 2 === 0) return time(second) / time(first);
    const before = time(first);
    return time(second) / before;
  });
  return ratios.sort((a, b) => a - b)[20]!;
}

/** Of some such, for other work may disturb one: the first that is about even, or the last. */
function steadySlowdown(first: () => unknown, second: () => unknown): number {
  let ratio = slowdown(first, second);
  for (let more = 0; more < 9 && (ratio < 0.6 || ratio > 1.6); more += 1) ratio = slowdown(first, second);
  return ratio;
}

describe('the time that a key is looked for', () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `n${index}`);
  const ring = ringOf(...names);
  const [first, last] = [keyOf('n0'), keyOf('n999')];

  it.each([
    ['is that of the last key for the first', first, last],
    ['is as long for one that is not there', keyOf('nobody'), last],
    ['is as long for one that nearly is', `${last.slice(0, -1)}x`, last],
  ])('%s', (_what, shown, reference) => {
    const ratio = steadySlowdown(
      () => ring.find(reference),
      () => ring.find(shown),
    );
    expect(ratio).toBeGreaterThan(0.6);
    expect(ratio).toBeLessThan(1.6);
  });

  it('would be found out if it ended where the key is found', () => {
    const digests = names.map((name) => digestOf(keyOf(name)));
    const early = (shown: string): boolean => {
      const digest = digestOf(shown);
      return digests.some((known) => timingSafeEqual(known, digest));
    };
    const ratio = steadySlowdown(
      () => early(last),
      () => early(first),
    );
    expect(ratio).toBeLessThan(0.6);
  });
});

describe('a source of keys', () => {
  const log: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(line) });
  const stop = new AbortController();
  afterAll(() => stop.abort());

  const scripted = (first: string): KeySource & { text: string | Error; reads: number } => ({
    lookMs: 5,
    text: first,
    reads: 0,
    read() {
      this.reads += 1;
      return this.text instanceof Error ? Promise.reject(this.text) : Promise.resolve(this.text);
    },
  });

  it('is followed, and what is wrong with it leaves the keys as they were', async () => {
    const source = scripted(listOf('alice'));
    const ring = await openKeyRing(source, logger, stop.signal);
    source.text = listOf('alice', 'bob');
    await eventually('the new key', () => ring.find(keyOf('bob')) !== null);

    for (const wrong of ['', `- ${keyOf('carol')}`, new Error('gone')]) {
      const before = log.length;
      source.text = wrong;
      await eventually('a warning', () => log.length > before);
      // Each is told of once.
      const looked = source.reads;
      await eventually('further looks', () => source.reads > looked + 5);
      expect(log).toHaveLength(before + 1);
      expect(log.at(-1)).toContain('the keys stay as they were');
      expect(ring.find(keyOf('alice'))).not.toBeNull();
    }
    source.text = '[]';
    await eventually('nobody', () => ring.find(keyOf('alice')) === null);
    expect(log.join('')).not.toMatch(/sk-of/);
  });

  it('must be right at the start', async () => {
    expect(await thrownBy(() => openKeyRing(scripted('no'), logger, stop.signal))).toMatchObject({
      code: 'invalid_config',
    });
  });

  describe('in a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keys-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'keys.yaml');

    it('is read by what it holds, also where a link is put in its place', async () => {
      for (const name of ['alice', 'bob']) {
        mkdirSync(join(folder, name));
        writeFileSync(join(folder, name, 'keys.yaml'), listOf(name));
      }
      symlinkSync(join(folder, 'alice', 'keys.yaml'), path);
      const file = { ...keyFile(path), lookMs: 20 };
      const ring = await openKeyRing(file, logger, stop.signal);
      symlinkSync(join(folder, 'bob', 'keys.yaml'), `${path}.new`);
      renameSync(`${path}.new`, path);
      await eventually('the other', () => ring.find(keyOf('bob')) !== null);
      expect(ring.find(keyOf('alice'))).toBeNull();
    });

    it('is not taken while it is being written', async () => {
      // Never shorter than it was: what is written anew is empty for a moment, which may be seen twice.
      writeFileSync(`${path}.slow`, '');
      let written = 0;
      const writing = setInterval(() => {
        appendFileSync(`${path}.slow`, listOf('alice', 'bob').slice(written, written + 20));
        written += 20;
      }, 10);
      const text = await keyFile(`${path}.slow`).read(stop.signal);
      clearInterval(writing);
      expect(text).toBe(listOf('alice', 'bob'));
    });

    it.each([
      ['none', join(folder, 'nothing')],
      ['a folder', folder],
      ['endless', '/dev/zero'],
    ])('that is %s is refused', async (_what, wrong) => {
      expect(await thrownBy(() => keyFile(wrong).read(stop.signal))).toMatchObject({
        code: 'invalid_config',
      });
    });
  });
});
