import type { Scheduler } from '../../../../services/stage/scheduling/scheduler.js';
import type { Work } from '../../../../services/stage/scheduling/work-queue.js';

export interface Pipeline {
  readonly clients: number;
  readonly stages: number;
  /** Whether the stages share processors, so that two which compute at once take twice as long. */
  readonly shared: boolean;
  /** Tokens of each client. */
  readonly rounds: number;
  /** Seconds. */
  readonly perStep: number;
  readonly perSequence: number;
  readonly hop: number;
}

export interface Outcome {
  readonly tokensPerSecond: number;
  /** Sequences in a step of the first stage. */
  readonly meanBatch: number;
  /** Of the first stage, share of the time. */
  readonly busy: number;
}

interface Stage {
  waiting: object[];
  /** What it computes, and how much of it is left, seconds of a whole machine. */
  running: { batch: object[]; parts: Work[]; left: number; started: number } | null;
}

/**
 * A pipeline of stages in virtual time: clients that always ask for the next token, steps that cost a constant
 * and something for each sequence, hops that take a moment. The first stage runs what the scheduler gives it, the
 * others whatever waits. Clients start one after another, a step's time apart.
 */
export function simulate(scheduler: Scheduler<Work>, pipeline: Pipeline): Outcome {
  const { clients, shared, rounds, perStep, perSequence, hop } = pipeline;
  const stages = Array.from({ length: pipeline.stages }, (): Stage => ({ waiting: [], running: null }));
  const arrivals: { at: number; stage: number; sequences: object[] }[] = [];
  const left = new Map<object, number>();
  for (let index = 0; index < clients; index++) {
    const sequence = { index };
    left.set(sequence, rounds);
    arrivals.push({ at: index * perStep, stage: 0, sequences: [sequence] });
  }
  let [now, steps, sequencesRun, busy] = [0, 0, 0, 0];

  const start = (index: number): void => {
    const stage = stages[index]!;
    if (stage.running !== null) return;
    const parts = index === 0 ? scheduler.next(() => true, now) : [];
    const batch = index === 0 ? parts.map(({ sequence }) => sequence) : stage.waiting.splice(0);
    if (batch.length === 0) return;
    stage.running = { batch, parts, left: perStep + perSequence * batch.length, started: now };
    if (index > 0) return;
    steps++;
    sequencesRun += batch.length;
  };
  const finish = (index: number): void => {
    const { batch, parts, started } = stages[index]!.running!;
    stages[index]!.running = null;
    if (index === 0) {
      busy += now - started;
      scheduler.ran(parts, now - started, () => true, now);
    }
    arrivals.push({ at: now + hop, stage: (index + 1) % stages.length, sequences: batch });
  };
  const arrive = ({ stage, sequences }: (typeof arrivals)[number]): void => {
    for (const sequence of sequences) {
      if (stage > 0) {
        stages[stage]!.waiting.push(sequence);
      } else if (left.get(sequence)! === 0) {
        scheduler.remove(sequence);
        left.delete(sequence);
      } else {
        left.set(sequence, left.get(sequence)! - 1);
        scheduler.enqueue({ sequence, item: { position: 100, count: 1, logits: 1 } }, now);
      }
    }
  };

  while (left.size > 0) {
    for (const index of stages.keys()) start(index);
    const running = stages.filter((stage) => stage.running !== null);
    const slowness = shared ? Math.max(1, running.length) : 1;
    const deadline = stages[0]!.running === null ? (scheduler.deadline ?? Infinity) : Infinity;
    const next = Math.min(
      deadline,
      ...arrivals.map(({ at }) => at),
      ...running.map((stage) => now + stage.running!.left * slowness),
    );
    for (const stage of running) stage.running!.left -= (next - now) / slowness;
    now = next;
    for (const index of stages.keys()) {
      const { running: current } = stages[index]!;
      if (current !== null && current.left < 1e-9) finish(index);
    }
    for (const arrival of arrivals.splice(0)) {
      if (arrival.at <= now) arrive(arrival);
      else arrivals.push(arrival);
    }
  }
  return { tokensPerSecond: (clients * rounds) / now, meanBatch: sequencesRun / steps, busy: busy / now };
}
