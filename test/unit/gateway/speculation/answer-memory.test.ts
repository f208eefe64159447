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

  it('is that of those who asked last, and of no more than there is room for', () => {
    const answers = new AnswerMemory();
    for (let salt = 0; salt < 20; salt++) {
      answers.learn(String(salt), ANSWER);
      answers.learn('often', ANSWER);
    }
    expect(answers.of('0')).toBeNull();
    expect(answers.of('often')).not.toBeNull();
    expect(answers.of('19')).not.toBeNull();

    const long = Array.from({ length: 100_000 }, (_, index) => index);
    answers.learn('long', long);
    expect(answers.of('long')!.index.from(0)).toHaveLength(1 << 16);
  });
});
