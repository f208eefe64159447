// @ts-check

/** A failure before any dependency is there; printed in the form that every Layermesh error has. */
export class SetupError extends Error {
  /**
   * @param {string} code stable, for scripts
   * @param {string} message what happened
   * @param {string} hint what to do
   */
  constructor(code, message, hint) {
    super(message);
    this.name = 'SetupError';
    this.code = code;
    this.hint = hint;
  }

  toLine() {
    return `error[${this.code}]: ${this.message} (${this.hint})`.replaceAll('\n', ' ');
  }
}
