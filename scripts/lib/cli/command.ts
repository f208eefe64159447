import { CommanderError, type Command } from 'commander';
import { ServingError } from '../../../services/lib/errors/serving-error.js';

const INTERRUPTED = 130;

/** What every long step of a command takes. */
export interface LongStepOptions {
  readonly signal?: AbortSignal;
  /** Told in a few words what goes on; may be called often. */
  readonly onProgress?: (detail: string) => void;
}

/** Runs a command to its end and ends the process; a failure is one line with a code, and exit code 1. */
export async function runCommand(program: Command): Promise<never> {
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ outputError: () => undefined });
  }
  try {
    await program.parseAsync();
  } catch (reason) {
    process.exit(report(reason));
  }
  process.exit();
}

/** Aborts at the first Ctrl-C, SIGTERM or hang-up. The stop that follows is bounded, so later ones change nothing. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => controller.abort());
  return controller.signal;
}

/** Prints what failed and returns the exit code. */
function report(reason: unknown): number {
  if (reason instanceof CommanderError) {
    if (reason.exitCode === 0) return 0;
    const message = reason.message.replace(/^error: /, '');
    console.error(new ServingError('invalid_config', message, { hint: 'see --help' }).toLine());
    return 1;
  }
  if (reason instanceof Error && reason.name === 'AbortError') {
    console.error('interrupted');
    return INTERRUPTED;
  }
  const error = ServingError.from(reason);
  console.error(error.toLine());
  if (error.code === 'internal') console.error(reason);
  return 1;
}
