import type { OutGroup } from './groups.js';
import { isDecode, type Work } from './work-queue.js';

/** Sequences that go the same way from stage to stage, so that they can be computed together in all of them. */
export interface Lane<Part> {
  has(part: Part): boolean;
  /** Running sequences, which wait or are out. */
  readonly running: number;
  /** Groups that are out. */
  readonly out: number;
  /** Whether sequences that were running before wait or are out. */
  readonly decodes: boolean;
  /** Of the prompts that wait, with what is computed of them already. */
  readonly promptRows: number;
  /** Which part of all running sequences is in it. */
  readonly part: number;
}

/**
 * The lanes of which something waits, whoever waits longest first. Where there are more of them than `groups`, all are one:
 * a group of each would be more than can be computed at once.
 */
export function lanesOf<Part extends Work>(
  waiting: readonly Part[],
  out: readonly OutGroup[],
  laneOf: (part: Part) => string,
  groups: number,
): Lane<Part>[] {
  const all = laneWith(waiting, out, () => true);
  const names = new Set(waiting.map(laneOf));
  if (new Set([...names, ...out.flatMap(({ lanes }) => [...lanes])]).size > groups) return [all];
  return [...names].map((name) => {
    const lane = laneWith(
      waiting,
      out.filter(({ lanes }) => lanes.has(name)),
      (part) => laneOf(part) === name,
    );
    return { ...lane, part: all.running === 0 ? 1 : lane.running / all.running };
  });
}

function laneWith<Part extends Work>(
  allWaiting: readonly Part[],
  out: readonly OutGroup[],
  has: (part: Part) => boolean,
): Lane<Part> {
  const waiting = allWaiting.filter(has);
  const decodes = waiting.filter(isDecode).length;
  // Of a prompt, where its last part ends.
  const ends = new Map(
    waiting
      .filter((part) => !isDecode(part))
      .map(({ sequence, item: { position, count } }) => [sequence, position + count]),
  );
  return {
    has,
    running: out.reduce((sum, { away }) => sum + away, decodes),
    out: out.length,
    decodes: decodes > 0 || out.some((group) => group.decodes),
    promptRows: [...ends.values()].reduce((sum, rows) => sum + rows, 0),
    part: 1,
  };
}
