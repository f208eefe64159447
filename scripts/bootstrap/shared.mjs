// @ts-check

/**
 * One value for the whole process. run.mjs loads the sources of this folder and a command their compiled copies, so
 * that a variable of a module would be there twice.
 *
 * @template Value
 * @param {string} name
 * @param {() => Value} make
 * @returns {Value}
 */
export function shared(name, make) {
  /** @type {Record<symbol, Value>} */
  const everything = /** @type {any} */ (globalThis);
  return (everything[Symbol.for(`layermesh ${name}`)] ??= make());
}
