import { readFile } from 'node:fs/promises';
import { catalogue, type ErrorCode } from '../../../services/lib/errors/catalogue.js';

test('docs/errors.md lists every code of the catalogue, with its status', async () => {
  const page = await readFile('docs/errors.md', 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (\d{3}) /gm)].map(
    ([, code, status]) => `${code} ${status}`,
  );
  const codes = Object.keys(catalogue) as ErrorCode[];
  expect(rows.sort()).toEqual(codes.map((code) => `${code} ${catalogue[code].http}`).sort());
});
