/** What every long step of a command takes. */
export interface LongStepOptions {
  readonly signal?: AbortSignal;
  /** Told in a few words what goes on; may be called often. */
  readonly onProgress?: (detail: string) => void;
}
