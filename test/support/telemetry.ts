import {
  findPromtool,
  findTelemetryPrograms,
  missingPrograms,
} from '../../scripts/lib/local/telemetry/programs.js';

const missing = missingPrograms(findTelemetryPrograms()).map(({ message }) => message);

/**
 * Tests with the real collector, Jaeger and Prometheus. Where one is not installed they are skipped, and their name
 * says why; `npm run check:telemetry` fails there instead.
 */
export function describeTelemetry(what: string, tests: () => void): void {
  if (missing.length === 0) describe(what, tests);
  else describe.skip(`${what} (skipped: ${missing[0]})`, tests);
}

/** Tests with the real promtool, skipped likewise. */
export function describeRules(what: string, tests: (promtool: string) => void): void {
  const promtool = findPromtool();
  if (promtool !== null) describe(what, () => tests(promtool));
  else describe.skip(`${what} (skipped: there is no promtool)`, () => tests(''));
}
