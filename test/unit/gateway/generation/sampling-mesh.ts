import { fromSamplingMessage } from '../../../../services/lib/sampling/params.js';
import { createSampler, verify, type Sampler } from '../../../../services/lib/sampling/sampler.js';
import type { BodyOf } from '../../../../services/lib/wire/codec.js';
import type { ItemFields } from '../../../../services/lib/wire/frames.js';
import { MemoryMesh, type MemoryReplica } from './memory-mesh.js';

export const VOCABULARY = 12;

interface Running {
  readonly open: BodyOf<'open'>;
  readonly sampler: Sampler;
  /** What has been fed, by position. */
  readonly fed: number[];
}

/**
 * Two stages of two replicas each that "compute" and really sample: a token's logits are a function of all
 * tokens up to it that this route has been fed, so nothing but the right tokens at the right positions, and the
 * right state of the sampler, goes on as an undisturbed sequence would.
 */
export class SamplingMesh {
  readonly mesh = new MemoryMesh();
  readonly firsts: readonly MemoryReplica[];
  readonly heads: readonly MemoryReplica[];
  /** Steps that wanted tokens, as `epoch@position`. */
  readonly steps: string[] = [];
  /** Called before a step is answered; one that returns true is never answered. */
  onStep: (item: ItemFields, open: BodyOf<'open'>) => boolean = () => false;
  readonly #running = new Map<string, Running>();

  constructor() {
    this.firsts = ['a', 'b'].map((name) => this.mesh.start('stage-0', name, ['x', 'y', 'z']));
    this.heads = ['x', 'y'].map((name) => this.mesh.start('stage-1', name));
    for (const first of this.firsts) {
      first.onOpen = (open) => this.open(open);
      first.onFrame = (frame) => this.#compute(frame);
    }
  }

  /** A head that was stopped comes back, with a new link. */
  restart(head: number): void {
    this.mesh.add(this.heads[head]!);
  }

  headOf({ route }: Pick<BodyOf<'open'>, 'route'>): MemoryReplica {
    return this.heads.find(({ replica }) => replica === route[1])!;
  }

  open(open: BodyOf<'open'>): void {
    const { sequence, epoch, sampling, prompt, sampled } = open;
    const sampler = createSampler(fromSamplingMessage(sampling!), prompt, sampled);
    this.#running.set(`${sequence}/${epoch}`, { open, sampler, fed: [] });
    this.headOf(open).send({ case: 'opened', value: { sequence, epoch } });
  }

  #compute({ items, tokens }: BodyOf<'frame'>): void {
    let row = 0;
    for (const item of items) {
      const running = this.#running.get(`${item.sequence}/${item.epoch}`)!;
      running.fed.splice(item.position, Infinity, ...tokens.slice(row, (row += item.count)));
      if (item.logits > 0) this.#sample(item, running);
    }
  }

  #sample(item: ItemFields, { open, sampler, fed }: Running): void {
    const { sequence, epoch, position, count, logits, draft } = item;
    this.steps.push(`${epoch}@${position}`);
    if (this.onStep(item, open)) return;
    const first = position + count - logits + 1;
    const tokens = verify(draft, (row) => sampler.sample(logitsOf(fed.slice(0, first + row))));
    const sampled = [{ sequence, epoch, position: position + count - draft.length, tokens }];
    this.headOf(open).send({ case: 'tokens', value: { sampled } });
  }
}

/** Any function of the tokens and their places will do, if it is peaked enough for a draft to be right at times. */
function logitsOf(tokens: readonly number[]): Float32Array {
  const recent = tokens.slice(-2).reduce((sum, token) => sum * 31 + token + 1, 0);
  const all = tokens.reduce((sum, token, place) => (sum + (token + 1) * (place + 7)) % 1_009, 0);
  return Float32Array.from(
    { length: VOCABULARY },
    (_, id) => 2 * Math.sin(recent * (id + 1)) + Math.sin(all * (id + 3)),
  );
}
