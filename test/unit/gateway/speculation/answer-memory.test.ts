import { Counter, Registry } from 'prom-client';
import { AnswerMemory, untilEnd } from '../../../../services/gateway/speculation/answer-memory.js';
import { DraftIndex } from '../../../../services/gateway/speculation/draft-index.js';
import { Drafter } from '../../../../services/gateway/speculation/drafter.js';

const counter = (name: string): Counter => new Counter({ name, help: name, registers: [new Registry()] });
const PROMPT = [11, 12, 13, 14, 15, 16];
const ANSWER = [21, 22, 23, 24, 25, 26, 27, 28];

function drafterOn(answers: AnswerMemory, cacheSalt?: string): Drafter {
  const metrics = { draftTokens: counter('drafted'), acceptedTokens: counter('accepted') };
  const options = { prompt: PROMPT, maxTokens: 20, cacheSalt };
  return new Drafter(options, { ...metrics, answers }, () => 1);
}

/** Answers `tokens`, one at a time. */
function answer(drafter: Drafter, tokens: readonly number[]): void {
  for (const token of tokens) drafter.sampled([token]);
  drafter.end();
}

describe('what was answered lately', () => {
  it('is guessed of the next that is asked the same', () => {
    const answers = new AnswerMemory();
    const first = drafterOn(answers);
    expect(first.draft(20)).toEqual([]);
    answer(first, ANSWER);

    const second = drafterOn(answers);
    const draft = second.draft(20);
    expect(draft.length).toBeGreaterThan(2);
    expect(draft).toEqual(ANSWER.slice(0, draft.length));
    // All of it was right, and one more.
    second.sampled(ANSWER.slice(0, draft.length + 1));
    expect(second.draft(20)[0]).toBe(ANSWER[draft.length + 1]);
  });

  it('is guessed of nobody with another salt', () => {
    const answers = new AnswerMemory();
    answer(drafterOn(answers, 'one'), ANSWER);
    expect(drafterOn(answers, 'two').draft(20)).toEqual([]);
    expect(drafterOn(answers).draft(20)).toEqual([]);
    expect(drafterOn(answers, 'one').draft(20)).not.toEqual([]);
  });

  it('is nothing where nothing was', () => {
    const answers = new AnswerMemory();
    answer(drafterOn(answers), []);
    expect(answers.of('')).toBeNull();
  });

  it('does not run from one answer into the next', () => {
    const answers = new AnswerMemory();
    answers.learn('', [1, 2, 3]);
    answers.learn('', [4, 5, 6]);
    const { index } = answers.of('')!;
    const text = new DraftIndex(2);
    for (const token of [1, 2]) text.add(token);
    expect(untilEnd(index.following(index.find(text)!, 5))).toEqual([3]);
  });

  it('that ends here does not stand in the way of what a sequence repeats of itself', () => {
    const answers = new AnswerMemory();
    // What was answered then went no further.
    answers.learn('', [...PROMPT, ...ANSWER]);
    const metrics = { draftTokens: counter('drafted'), acceptedTokens: counter('accepted') };
    const prompt = [...ANSWER.slice(-2), 31, 32, 33, 34, ...ANSWER];
    const drafter = new Drafter({ prompt, maxTokens: 20 }, { ...metrics, answers }, () => 1);
    expect(drafter.draft(20)[0]).toBe(31);
  });

  it('is that of those who asked last, and of no more than there is room for', () => {
    const answers = new AnswerMemory();
    for (let salt = 0; salt < 300; salt++) {
      answers.learn(String(salt), ANSWER);
      answers.learn('often', ANSWER);
    }
    expect(answers.of('0')).toBeNull();
    expect(answers.of('often')).not.toBeNull();
    expect(answers.of('299')).not.toBeNull();

    const long = Array.from({ length: 100_000 }, (_, index) => index);
    answers.learn('long', long);
    expect(answers.of('long')!.index.from(0)).toHaveLength(1 << 16);
  });

  it('takes little of who asks once, and more of who asks often, up to a bound of all', () => {
    const answers = new AnswerMemory();
    const capacities = (names: readonly string[]): number[] =>
      names.map((name) => answers.of(name)?.index.capacity ?? 0);
    answers.learn('once', ANSWER);
    const before = answers.of('once')!;
    expect(capacities(['once'])).toEqual([4_096]);
    const long = Array.from({ length: 10_000 }, (_, index) => index);
    answers.learn('once', long);
    // Whoever guesses from it already sees what has come.
    expect(answers.of('once')).toBe(before);
    expect(before.index.capacity).toBe(1 << 14);
    expect(untilEnd(before.index.from(0))).toEqual(ANSWER);

    const names = Array.from({ length: 40 }, (_, index) => `often-${index}`);
    for (const name of names) for (let time = 0; time < 8; time++) answers.learn(name, long);
    expect(capacities(names).filter((capacity) => capacity > 0)).toEqual(Array(16).fill(1 << 16));
    expect(answers.of('often-39')).not.toBeNull();
    expect(answers.of('once')).toBeNull();
  });
});
