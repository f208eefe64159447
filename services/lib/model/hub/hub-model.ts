/** A model on the Hub: `org/name`, or one GGUF file of it, `org/name:file.gguf`. */
export interface HubModel {
  readonly id: string;
  readonly file: string | undefined;
}

const SEGMENT = String.raw`\w[\w.-]*`;
const PATTERN = new RegExp(`^(${SEGMENT}/${SEGMENT})(?::((?:${SEGMENT}/)*${SEGMENT}\\.gguf))?$`);

/**
 * Reads a Hub id; undefined for what must be a path. An id that ends in `.gguf` without a colon is taken for
 * the path of a file that is not there.
 */
export function parseHubModel(text: string): HubModel | undefined {
  const [, id, file] = PATTERN.exec(text) ?? [];
  return id === undefined || id.endsWith('.gguf') ? undefined : { id, file };
}
