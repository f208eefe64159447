import { Counter, Registry } from 'prom-client';
import { Drafter } from '../../../../services/gateway/speculation/drafter.js';

describe('a drafter', () => {
  const counter = (name: string): Counter => new Counter({ name, help: name, registers: [new Registry()] });
  /** Matches are as long as they are looked for, before and after a token. */
  const prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6];
  const start = (): Drafter =>
    new Drafter(
      { prompt, maxTokens: 20 },
      { draftTokens: counter('drafted'), acceptedTokens: counter('accepted') },
      () => 1,
    );

  it('takes a token that was not what it drafted for a wrong guess', () => {
    const drafter = start();
    const before = drafter.draft(20).length;
    expect(before).toBeGreaterThan(2);
    drafter.sampled([7]);
    expect(drafter.draft(20).length).toBeLessThan(before);
  });

  it('learns nothing from a step that was lost with its draft', () => {
    const drafter = start();
    const before = drafter.draft(20).length;
    drafter.forget();
    drafter.sampled([7]);
    expect(drafter.draft(20).length).toBeGreaterThanOrEqual(before);
  });
});
