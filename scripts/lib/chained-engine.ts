import type { Engine, KvUsage, StepInput, StepOutput } from '../../services/lib/engine/types.js';

/** The stages of a model as one engine, without the mesh: each takes the activations of the one before. */
export class ChainedEngine implements Engine {
  readonly #stages: readonly Engine[];

  /** Owns the stages, stage 0 first. */
  constructor(stages: readonly Engine[]) {
    this.#stages = stages;
  }

  get kv(): KvUsage {
    return this.#stages[0]!.kv;
  }

  /** Nothing is cached beforehand. */
  open(sequence: string, maxLength: number): number {
    for (const stage of this.#stages) stage.open(sequence, maxLength);
    return 0;
  }

  close(sequence: string): void {
    for (const stage of this.#stages) stage.close(sequence);
  }

  async step({ tokens, hidden, ...common }: StepInput): Promise<StepOutput> {
    const [first, ...others] = this.#stages;
    let output = await first!.step({ ...common, ...(tokens === undefined ? { hidden } : { tokens }) });
    for (const stage of others) output = await stage.step({ ...common, hidden: output.hidden! });
    return output;
  }

  async dispose(): Promise<void> {
    for (const stage of this.#stages) await stage.dispose();
  }
}
