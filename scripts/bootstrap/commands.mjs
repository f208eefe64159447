// @ts-check
import { readdirSync } from 'node:fs';
import { join, parse } from 'node:path';

/** The rooms of `scripts/` with a file for each command. */
const ROOMS = ['serve', 'measure', 'check'];

/**
 * The commands of a clone by their names: to where their files are in `scripts/`, and compiled in `dist/scripts/`, such as
 * `serve/up`.
 * @param {string} root
 * @returns {ReadonlyMap<string, string>}
 */
export function commandsOf(root) {
  const paths = ROOMS.flatMap((room) =>
    readdirSync(join(root, 'scripts', room)).map((file) => join(room, parse(file).name)),
  );
  return new Map(paths.map((path) => [parse(path).name, path]));
}
