import { digestOf, parseKeyList } from '../../../../services/gateway/keys/key-list.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';

const ALICE = 'sk-alice-0123456789';
const BOB = 'sk-bob-0123456789ab';

describe('a list of keys', () => {
  it('has tenants with what is theirs', () => {
    const list = parseKeyList(`
# who may ask
- name: alice
  key: [${ALICE}, ${BOB}]
  models: [small, gpt-4o-mini]
  requests_per_minute: 60
  tokens_per_minute: 100000
  concurrency: 4
  cache_salt: team
  priority: -2
- name: bob
  sha256: ${digestOf('a key of which only this is known').toString('hex').toUpperCase()}
`);
    expect(list).toEqual([
      {
        name: 'alice',
        digests: [digestOf(ALICE), digestOf(BOB)],
        models: ['small', 'gpt-4o-mini'],
        requestsPerMinute: 60,
        tokensPerMinute: 100_000,
        concurrency: 4,
        cacheSalt: 'team',
        priority: -2,
      },
      {
        name: 'bob',
        digests: [digestOf('a key of which only this is known')],
        models: null,
        requestsPerMinute: null,
        tokensPerMinute: null,
        concurrency: null,
        cacheSalt: 'tenant:bob',
        priority: 0,
      },
    ]);
  });

  it('is JSON as well, or a key on each line', () => {
    const entries = [{ name: 'alice', key: ALICE }];
    expect(parseKeyList(JSON.stringify(entries))).toMatchObject([
      { name: 'alice', digests: [digestOf(ALICE)] },
    ]);
    const lines = parseKeyList(`# two\r\n${ALICE}\r\n\n  ${BOB}\n`);
    expect(lines.map(({ digests }) => digests)).toEqual([[digestOf(ALICE)], [digestOf(BOB)]]);
    expect(new Set(lines.map(({ name }) => name)).size).toBe(2);
    expect(new Set(lines.map(({ cacheSalt }) => cacheSalt)).size).toBe(2);
    expect(lines[0]!.name).not.toContain('alice');
  });

  it('may be of nobody, if it says so', () => {
    expect(parseKeyList('[]')).toEqual([]);
  });

  it.each([
    ['', 'is empty'],
    ['# nothing\n\n', 'is empty'],
    ['too-short', 'key 1: expected 16'],
    [`${ALICE}\n${BOB} and more`, 'key 2: expected 16'],
    [`- ${ALICE}`, 'entry 1: '],
    [`- name: alice\n  key: ${ALICE}\n  ${BOB}: 1`, 'entry 1: has a field that is not known'],
    [`- name: alice\n  key: ${ALICE}\n  requests_per_minut: 1`, 'entry 1: has a field that is not known'],
    [`- name: alice\n  key: ${ALICE}\n  requests_per_minute: 0`, 'entry 1, requests_per_minute: '],
    [`- name: alice\n  key: ${ALICE}\n  concurrency: '4'`, 'entry 1, concurrency: '],
    [`- name: alice\n  key: [${ALICE}, ${BOB} ${BOB}]`, 'entry 1, key, 1: expected 16'],
    [`- name: alice\n  key: ${'k'.repeat(513)}`, 'entry 1, key, 0: expected 16'],
    [`- name: alice\n  sha256: ${ALICE}`, 'entry 1, sha256, 0: expected 64'],
    [`- name: ${ALICE} with blanks\n  key: ${ALICE}`, 'entry 1, name: '],
    [`- name: alice\n`, 'alice has neither'],
    [`- name: alice\n  key: "${ALICE}\n`, 'is no YAML, at line'],
    [`- name: alice\n  key: ${ALICE}\n  key: ${BOB}`, 'is no YAML, at line'],
    [`- name: alice\n  key: ${ALICE}\n- name: alice\n  key: ${BOB}`, 'has the name alice twice'],
    [`- name: alice\n  key: ${ALICE}\n- name: bob\n  key: ${ALICE}`, 'has a key twice'],
    [`- &a [*a, *a]\n- key: ${ALICE}`, ''],
    ['- '.repeat(100_000), ''],
    [`${ALICE}\n`.repeat(60_000), 'is larger than'],
    [Array.from({ length: 1_025 }, (_, index) => `${ALICE}${index}`).join('\n'), 'has 1025 keys'],
  ])('is refused without a word of it: %.40j', (text, problem) => {
    let message = 'taken';
    try {
      parseKeyList(text);
    } catch (error) {
      expect(error).toBeInstanceOf(ServingError);
      expect((error as ServingError).code).toBe('invalid_config');
      message = (error as ServingError).toLine();
    }
    expect(message).toContain(problem);
    expect(message).toContain('the list of keys');
    expect(message).not.toMatch(/sk-|0123456789|kkkk/);
  });
});
