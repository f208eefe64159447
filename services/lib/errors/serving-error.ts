import { catalogue, isErrorCode, type ErrorCode, type ErrorKind } from './catalogue.js';

interface ServingErrorOptions {
  /** The request field at fault, as OpenAI's `param`. */
  readonly param?: string;
  /** Replaces the catalogue's hint where the place knows better. */
  readonly hint?: string;
  /** Seconds after which the same request may pass, where the place knows; infinite where it never will. */
  readonly retryAfter?: number;
  /** The layer service's replica at fault, where it is known. */
  readonly replica?: string;
  readonly cause?: unknown;
}

/** The one error type of Layermesh. `cause` is for logs and never leaves the process. */
export class ServingError extends Error {
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly hint: string;
  readonly retryAfter: number | null;
  readonly replica: string | null;

  constructor(code: ErrorCode, message: string, options: ServingErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = 'ServingError';
    this.code = code;
    this.param = options.param ?? null;
    this.hint = options.hint ?? catalogue[code].hint;
    this.retryAfter = options.retryAfter ?? null;
    this.replica = options.replica ?? null;
  }

  get kind(): ErrorKind {
    return catalogue[this.code];
  }

  /** Whatever was caught, as a ServingError: known system errors get their code, the rest is `internal`. */
  static from(reason: unknown): ServingError {
    if (reason instanceof ServingError) return reason;
    const message = reason instanceof Error ? reason.message : String(reason);
    const system = (reason as NodeJS.ErrnoException | undefined)?.code;
    if (system === 'ENOSPC') return new ServingError('disk_full', message, { cause: reason });
    if (system === 'EADDRINUSE') return new ServingError('port_in_use', message, { cause: reason });
    return new ServingError('internal', message, { cause: reason });
  }

  /** An error that another process sent; a code that is not in our catalogue becomes `internal`. */
  static received(code: string, message: string, replica?: string): ServingError {
    if (isErrorCode(code)) return new ServingError(code, message, replica ? { replica } : {});
    return new ServingError('internal', `${code}: ${message}`);
  }

  /** One line for a terminal: what happened, its code and what to do. */
  toLine(severity: 'error' | 'warning' = 'error'): string {
    return `${severity}[${this.code}]: ${this.message} (${this.hint})`.replaceAll('\n', ' ');
  }
}
