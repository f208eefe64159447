/** A part of the page, and the figures that it shows, by file name. */
export interface PageSection {
  readonly text: string;
  readonly figures: ReadonlyMap<string, Figure>;
}

export interface Figure {
  readonly title: string;
  /** A whole file. */
  readonly svg: string;
}

/** The lines of a page that show figures. */
export const shown = (figures: PageSection['figures']): string[] =>
  [...figures].map(([file, { title }]) => `![${title}](experiment/${file}.svg)`);

/** Paragraphs, without those that are empty. */
export const paragraphs = (...parts: readonly string[]): string =>
  parts.filter((part) => part !== '').join('\n\n');
