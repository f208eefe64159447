/** The samples of a page in Prometheus's text format. */
export class Scrape {
  readonly #samples: readonly { readonly name: string; readonly labels: string; readonly value: number }[];

  constructor(page: string) {
    this.#samples = [...page.matchAll(/^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)/gm)].map(
      ([, name, labels, value]) => ({ name: name!, labels: labels ?? '', value: Number(value) }),
    );
  }

  /** The sum over all samples of that name that have the label, such as `phase="decode"`. */
  total(name: string, label = ''): number {
    return this.#samples
      .filter((sample) => sample.name === name && sample.labels.includes(label))
      .reduce((sum, { value }) => sum + value, 0);
  }
}

/** A page of metrics, or another; null where it cannot be had now. */
export async function readPage(
  url: string,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<string | null> {
  try {
    const response = await fetch(url, { signal, headers });
    return response.ok ? await response.text() : null;
  } catch {
    return null;
  }
}
