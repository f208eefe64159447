import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withSection } from '../../../../scripts/lib/measure/page.js';
import {
  errorOf,
  meanAbsoluteError,
  validate,
  validationText,
} from '../../../../scripts/lib/measure/timed/validation.js';
import { repositoryRoot } from '../../../../scripts/lib/repository.js';

const validations = validate();
const of = (shape: string): (typeof validations)[number] =>
  validations.find((validation) => validation.shape === shape)!;

describe('the cost model against published measurements that it was not fitted to', () => {
  it('is within 10 % of the 15 decode rows of llama-2-13b, and of those of llama-2-7b, which it scales to', () => {
    const rows = of('llama-2-13b').decode.filter((row) => row.fits);
    expect(rows).toHaveLength(15);
    expect(meanAbsoluteError(rows)).toBeLessThan(0.1);
    expect(meanAbsoluteError(of('llama-2-7b').decode.filter((row) => row.fits))).toBeLessThan(0.1);
  });

  it('is within 10 % of the prompt of 2,048 tokens as one step, and within 15 % of any as that engine counts', () => {
    const prompts = validations.flatMap((each) => each.firstToken);
    expect(prompts.some(({ prompt }) => prompt === 2048)).toBe(true);
    for (const { prompt, published, inOneStep, modelled } of prompts) {
      if (prompt === 2048) expect(Math.abs(errorOf({ published, modelled: inOneStep }))).toBeLessThan(0.1);
      expect(Math.abs(errorOf({ published, modelled }))).toBeLessThan(0.15);
    }
  });

  it('is within 15 % of the ShareGPT rate, whether lengths are equal or uneven', () => {
    const rates = of('llama-2-13b').shareGpt;
    expect(rates).toHaveLength(2);
    for (const rate of rates) expect(Math.abs(errorOf(rate))).toBeLessThan(0.15);
  });

  it('is what the page shows', () => {
    const page = readFileSync(join(repositoryRoot, 'docs', 'timed-engine.md'), 'utf8');
    expect(withSection(page, 'Results', validationText(validations))).toBe(page);
  });
});
