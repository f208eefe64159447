export interface PeerOptions {
  /** Path of the GGUF file that it serves. */
  readonly model: string;
  readonly threads: number;
  /** For peers that are Python packages: the interpreter that has them. */
  readonly python: string;
}
