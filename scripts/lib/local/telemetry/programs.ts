import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { installedProgram, programFolder } from '../../repository.js';

/** Paths of the programs that take traces and metrics; null for what is not installed. */
export interface TelemetryPrograms {
  readonly collector: string | null;
  readonly jaeger: string | null;
  readonly prometheus: string | null;
}

export type TelemetryProgram = keyof TelemetryPrograms;

/** In the order in which they stop: who sends before who receives. */
export const telemetryPrograms = ['collector', 'jaeger', 'prometheus'] as const;

/** Which file to look for, and what is missed without it. The names are those of the projects' releases. */
const KINDS: Readonly<Record<TelemetryProgram, { names: readonly string[]; without: string }>> = {
  collector: { names: ['otelcol-contrib', 'otelcol'], without: 'no metrics are made of spans' },
  jaeger: { names: ['jaeger'], without: 'no traces are kept' },
  prometheus: { names: ['prometheus'], without: 'no metrics are kept' },
};

/** Looks on the PATH and in the cache. */
export function findTelemetryPrograms(): TelemetryPrograms {
  const find = (kind: TelemetryProgram): string | null => installedProgram(...KINDS[kind].names);
  return { collector: find('collector'), jaeger: find('jaeger'), prometheus: find('prometheus') };
}

/** Prometheus's own checker of rules, which comes with it; null where it is not installed. */
export const findPromtool = (): string | null => installedProgram('promtool');

/** An error for each program that is not there. */
export function missingPrograms(programs: TelemetryPrograms): ServingError[] {
  return telemetryPrograms
    .filter((kind) => programs[kind] === null)
    .map((kind) => {
      const { names, without } = KINDS[kind];
      return new ServingError('telemetry_missing', `there is no ${names.join(' or ')}: ${without}`, {
        hint: `put it on the PATH or into ${programFolder()}; otel/README.md says where to get it`,
      });
    });
}
