import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan, Trial } from './types.js';

/** Trials in a folder, a file each, so that what was measured outlives whatever fails after it. */
export class RowStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** What the trials are of; null in a new folder. */
  readPlan(): Plan | null {
    return this.#read('plan') as Plan | null;
  }

  writePlan(plan: Plan): void {
    this.#write('plan', plan);
  }

  /** Null for one that has not been run. */
  readTrial(arm: string, load: string): Trial | null {
    return this.#read(`${arm}-${load}`) as Trial | null;
  }

  writeTrial(trial: Trial): void {
    this.#write(`${trial.arm}-${trial.load}`, trial);
  }

  #read(name: string): unknown {
    try {
      return JSON.parse(readFileSync(this.#path(name), 'utf8')) as unknown;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  #write(name: string, value: unknown): void {
    const path = this.#path(name);
    writeFileSync(`${path}.unfinished`, JSON.stringify(value));
    renameSync(`${path}.unfinished`, path);
  }

  #path(name: string): string {
    return join(this.folder, `${name}.json`);
  }
}
