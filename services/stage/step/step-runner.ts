import { ServingError } from '../../lib/errors/serving-error.js';
import type { Account, PartTime } from '../accounts/account.js';
import type { EngineClient } from '../engine/engine-client.js';
import type { StepResult } from '../engine/engine-messages.js';
import type { Sequences } from '../sequences/sequences.js';
import { isAlone, toStepInput, type Part } from './part.js';

/** A step that has run, and what is to be delivered. */
export interface StepRun {
  readonly parts: readonly Part[];
  readonly result: StepResult;
  /** What the engine took, seconds. */
  readonly seconds: number;
  readonly ended: number;
  /** Of each part. */
  readonly times: readonly PartTime[];
}

/** Runs parts in the engine, as one step where that works, and finds out whose fault it is where it does not. */
export class StepRunner {
  readonly #engine: Pick<EngineClient, 'step'>;
  readonly #sequences: Sequences;
  readonly #account: Account;

  constructor(engine: Pick<EngineClient, 'step'>, sequences: Sequences, account: Account) {
    this.#engine = engine;
    this.#sequences = sequences;
    this.#account = account;
  }

  /**
   * Computes parts together. Where there is no room for the rows of all, the sequence that came last leaves and the
   * others are tried again; after any other error each is computed alone, and those that fail alone have failed. `since`:
   * when all that kept the step waiting but its rows was over.
   */
  async *run(parts: readonly Part[], since: number): AsyncGenerator<StepRun, void> {
    for (let left = parts; left.length > 0;) {
      const outcome = await this.#runTogether(left, since);
      if (!(outcome instanceof ServingError)) {
        yield outcome;
        return;
      }
      if (outcome.code === 'kv_exhausted') {
        left = this.#giveWay(left, outcome);
      } else if (left.length > 1) {
        for (const part of left) if (part.sequence.isOpen) yield* this.run([part], since);
        return;
      } else {
        this.#sequences.fail(left[0]!.sequence, outcome);
        return;
      }
    }
  }

  async #runTogether(parts: readonly Part[], since: number): Promise<StepRun | ServingError> {
    try {
      this.#account.stepBegan(parts);
      const ready = parts.reduce((latest, { arrival }) => Math.max(latest, arrival.at), since);
      const input = toStepInput(parts, this.#isAlone(parts));
      const { result, seconds, overshoot = null } = await this.#engine.step(input, ready);
      for (const { sequence, item } of parts) sequence.cached = item.position + item.count;
      return { parts, result, seconds, ...this.#account.stepEnded(parts, seconds, overshoot) };
    } catch (error) {
      this.#account.stepFailed();
      return ServingError.from(error);
    }
  }

  /**
   * Whether these are all the rows that there are of all sequences that are open here, so that no other stage computes
   * any of them meanwhile. It may err where several replicas share processors, which then takes time and nothing else.
   */
  #isAlone(parts: readonly Part[]): boolean {
    return parts.length === this.#sequences.size && parts.every(isAlone);
  }

  /** The sequence that came last leaves, to be replayed when there is room again. Returns the parts that stay. */
  #giveWay(parts: readonly Part[], reason: ServingError): readonly Part[] {
    const taking = new Set(parts.map(({ sequence }) => sequence));
    const holders = this.#sequences.all.filter((sequence) => sequence.cached > 0 || taking.has(sequence));
    this.#sequences.fail(holders.at(-1), reason);
    return parts.filter(({ sequence }) => sequence.isOpen);
  }
}
