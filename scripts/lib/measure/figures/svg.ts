/** Of figures that stand on light and dark pages. */
export const AXIS = '#888';
export const TEXT = '#333';

/** A whole file, with a white ground. */
export const svgFile = (
  { title, width, height }: { readonly title: string; readonly width: number; readonly height: number },
  parts: readonly string[],
): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
      `font-family="system-ui, sans-serif" font-size="12" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');

/** `more`: further attributes. */
export const text = (
  content: string,
  { x, y, more = '' }: { readonly x: number; readonly y: number; readonly more?: string },
): string => `<text x="${px(x)}" y="${px(y)}" fill="${TEXT}" ${more}>${escaped(content)}</text>`;

/** A tenth of a pixel is enough, and keeps files small. */
export const px = (value: number): string => String(Math.round(value * 10) / 10);

const escaped = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
