import { fromSamplingMessage } from '../../../../services/lib/sampling/params.js';
import { createTokenTrie } from '../../../../services/lib/grammar/token-trie.js';
import { toSampledFields } from '../../../../services/lib/sampling/step-tokens.js';
import { logitRowsOf } from '../../../../services/lib/model/step.js';
import type { BodyOf } from '../../../../services/lib/wire/codec.js';
import type { ItemFields } from '../../../../services/lib/wire/frames.js';
import { Head } from '../../../../services/stage/engine/head.js';
import { MemoryMesh, type MemoryReplica } from './memory-mesh.js';

export const VOCABULARY = 12;

/** Tokens are the letters from `a` on. */
const vocabulary = createTokenTrie(
  { vocabularySize: VOCABULARY, bytesOf: (id) => Uint8Array.of(97 + id), isSpecial: () => false },
  VOCABULARY,
);

interface Running {
  readonly open: BodyOf<'open'>;
  readonly head: Head;
  /** What has been fed, by position. */
  readonly fed: number[];
}

/**
 * Two stages of two replicas each that "compute" and whose head is real: a token's logits are a function of all
 * tokens up to it that this route has been fed, so nothing but the right tokens at the right positions, and the
 * right state of the sampler, goes on as an undisturbed sequence would.
 */
export class SamplingMesh {
  readonly mesh = new MemoryMesh();
  readonly firsts: readonly MemoryReplica[];
  readonly heads: readonly MemoryReplica[];
  /** Steps that wanted tokens or scores, as `epoch@position`. */
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
    const { sequence, epoch, sampling, prompt, sampled, score = null } = open;
    const head = new Head();
    head.learn(vocabulary);
    head.open(sequence, { params: fromSamplingMessage(sampling!), prompt, sampled, score });
    this.#running.set(`${sequence}/${epoch}`, { open, head, fed: [] });
    this.headOf(open).send({ case: 'opened', value: { sequence, epoch } });
  }

  #compute({ items, tokens }: BodyOf<'frame'>): void {
    let row = 0;
    for (const item of items) {
      const running = this.#running.get(`${item.sequence}/${item.epoch}`)!;
      running.fed.splice(item.position, Infinity, ...tokens.slice(row, (row += item.count)));
      if (logitRowsOf(item) > 0) this.#sample(item, running);
    }
  }

  #sample(item: ItemFields, { open, head, fed }: Running): void {
    const { sequence, epoch, position, count, draft } = item;
    this.steps.push(`${epoch}@${position}`);
    if (this.onStep(item, open)) return;
    const rows = logitRowsOf(item);
    const logits = new Float32Array(rows * VOCABULARY);
    const first = position + count - rows + 1;
    for (let row = 0; row < rows; row++) logits.set(logitsOf(fed.slice(0, first + row)), row * VOCABULARY);
    const [step] = head.read([item], { logits });
    if ('code' in step!) throw new Error(step.message);
    const at = position + count - draft.length;
    const sampled = [{ sequence, epoch, position: at, ...toSampledFields(step!) }];
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
