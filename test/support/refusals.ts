import { runCommands, type Ended } from './run-commands.js';

/** With which code a command refuses which arguments. */
export type Refusal = readonly [code: string, args: readonly string[]];

interface Circumstances {
  /** All arguments of a case, from its own: for what is known only once the tests run, such as a folder. */
  readonly args?: (own: readonly string[], index: number) => readonly string[];
  readonly env?: () => NodeJS.ProcessEnv;
  /** Lines that a command may write beside its error. None, if not given. */
  readonly isAside?: (line: string) => boolean;
}

/** Lines that tell of no error: for a command that may say whatever it likes before it fails. */
export const isNoError = (line: string): boolean => !line.startsWith('error[');

/**
 * Tests that `command` refuses each in one line, and ends with 1. To be called where tests are described; the commands run
 * together before the first (see `runCommands`), so each must end by itself, and at once.
 */
export function itRefuses(
  command: string,
  refusals: readonly Refusal[],
  { args = (own) => own, env, isAside = () => false }: Circumstances = {},
): void {
  let ended: Ended[];
  beforeAll(async () => {
    ended = await runCommands(
      refusals.map(([, own], index) => [command, ...args(own, index)]),
      env?.(),
    );
  }, 120_000);

  it.each(refusals.map(([code, own], index) => [code, own, index] as const))(
    'with %s: %j',
    (expected, _own, index) => {
      const { code, output } = ended[index]!;
      const lines = output.split('\n').filter((line) => line !== '' && !isAside(line));
      expect(lines).toEqual([expect.stringMatching(new RegExp(`^error\\[${expected}\\]: `))]);
      expect(code).toBe(1);
    },
  );
}
