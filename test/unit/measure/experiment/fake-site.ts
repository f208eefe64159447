import type { PodView, Site } from '../../../../scripts/lib/measure/experiment/types.js';
import type { watchMachine } from '../../../../scripts/lib/measure/figures/usage.js';
import { lifeOf, podOf, seenAt } from './seen.js';

/** A machine that does next to nothing. */
export const IDLE: typeof watchMachine = () => () => ({
  machineSeconds: 1,
  clientSeconds: 1,
  host: { busy: 0.1, throttled: 0 },
});

export interface FakeOptions {
  /** It breaks while it settles before the load with this number. */
  readonly breaksAt?: number;
  /** What is seen after so many loads have begun. */
  readonly pods?: (loads: number) => PodView[];
}

/** A pod of a timed engine whose steps of each load, the last for all that follow, are in time, or half of them are late. */
export function stepsOf(loads: readonly ('late' | 'in time')[]): (begun: number) => PodView[] {
  const looks = new Map<number, number>();
  return (begun) => {
    // It has more steps at each look.
    const timedSteps = 100 * ((looks.get(begun) ?? 0) + 1);
    looks.set(begun, timedSteps / 100);
    const stepsInTime = (loads[begun - 1] ?? loads.at(-1)) === 'late' ? timedSteps / 2 : timedSteps;
    return [podOf({ counters: { timedSteps, stepsInTime, stepsOnPoint: stepsInTime } })];
  };
}

/** Answers at once, and keeps a diary. */
export function fakeSite(diary: string[], { breaksAt, pods = () => [podOf({})] }: FakeOptions = {}): Site {
  let settled = 0;
  const say = (what: string): Promise<void> => {
    diary.push(what);
    return Promise.resolve();
  };
  return {
    describe: () => Promise.resolve('nowhere'),
    close: () => Promise.resolve(),
    deploy: async (deployed) => {
      await say(`deploy ${deployed.name}`);
      return {
        target: {
          complete: ({ prompt, outputTokens }, onTokens) => {
            diary.push(`ask ${prompt.length}`);
            onTokens(outputTokens);
            return Promise.resolve();
          },
        },
        observe: () => Promise.resolve(seenAt(Date.now() / 1000, { pods: pods(settled) })),
        lives: () => [lifeOf({})],
        delay: async (ms) => {
          await say(`delay ${ms}`);
          let over = false;
          return async () => {
            if (!over) await say('no delay');
            over = true;
            return { gateway: 7 };
          };
        },
        kill: async (stage) => {
          await say(`kill ${stage}`);
          return `${stage}-x`;
        },
        settle: () => {
          if (++settled === breaksAt) throw new Error('does not settle');
          return say('settle');
        },
        stop: () => say('stop'),
      };
    },
  };
}
