import { figure } from '../../bench/report/table.js';
import type { ArmResults } from '../measure-arms.js';
import { comparedFigures } from './trial-figures.js';

/** Less is noise. */
const TOLERANCE = 0.05;

/** Every figure in which a split arm is worse than the unsplit model, load by load. */
export function losses({ loads, trials }: Pick<ArmResults, 'loads' | 'trials'>): string {
  const lines = loads.flatMap(({ name: load }) =>
    ['b', 'c'].flatMap((name) => {
      const [arm, base] = [name, 'a'].map((each) =>
        trials.find((trial) => trial.arm === each && trial.load === load),
      );
      if (arm === undefined || base === undefined) return [];
      const worse = comparedFigures.flatMap(({ name: what, moreIsBetter, of }) => {
        const [value, against] = [of(arm), of(base)];
        if (value === null || against === null || against === 0 || value === 0) return [];
        const factor = moreIsBetter ? against / value : value / against;
        return factor <= 1 + TOLERANCE ? [] : [`${what} ${figure(value)} against ${figure(against)}`];
      });
      return [`- ${load}, ${name} against a: ${worse.length === 0 ? 'in nothing' : worse.join('; ')}.`];
    }),
  );
  return lines.length === 0 ? 'Not measured against the unsplit model.' : lines.join('\n');
}
