// Runs the cases of one client, each a function, and prints a line of JSON for each: what `npm run check:clients` reads.
// The environment says where the server is; the arguments say which cases, all but the slow ones where there are none.
import { strict as assert } from 'node:assert';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const { LAYERMESH_URL, LAYERMESH_MODEL, LAYERMESH_API_KEY, LAYERMESH_LIMITED_KEY, LAYERMESH_OTHER_KEY } =
  process.env;
export const [URL, MODEL, KEY] = [LAYERMESH_URL, LAYERMESH_MODEL, LAYERMESH_API_KEY];
/** A key with few requests a minute, and one of another model. */
export const [LIMITED_KEY, OTHER_KEY] = [LAYERMESH_LIMITED_KEY, LAYERMESH_OTHER_KEY];

export const QUESTION = 'Why is the sky blue?';
export const USER = [{ role: 'user', content: QUESTION }];
export const WEATHER = {
  name: 'weather',
  description: 'The weather in a city',
  parameters: {
    type: 'object',
    properties: {
      city: { type: 'string', maxLength: 20 },
      days: { type: 'integer', minimum: 1, maximum: 9 },
    },
    required: ['city', 'days'],
    additionalProperties: false,
  },
};
export const PERSON = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 20 },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    job: { enum: ['pilot', 'baker'] },
  },
  required: ['name', 'age', 'job'],
  additionalProperties: false,
};

/** Why a case could not be tried. */
export class Skip extends Error {}

export const isPerson = (value) =>
  typeof value.name === 'string' &&
  value.age >= 0 &&
  value.age <= 150 &&
  ['pilot', 'baker'].includes(value.job);

/** The error that the call rejects with, which has to have these fields. */
export async function fails(call, expected) {
  try {
    await call();
  } catch (error) {
    for (const [name, value] of Object.entries(expected))
      assert.equal(error[name], value, `${name} of ${error}`);
    return error;
  }
  throw new Error(`nothing failed with ${JSON.stringify(expected)}`);
}

/** Calls until the key has used up its requests; the error that says so. */
export async function untilLimited(call, tries = 30) {
  for (let left = tries; left > 0; left--) {
    try {
      await call();
    } catch (error) {
      return error;
    }
  }
  throw new Error(`${tries} requests went through`);
}

/** The call's answer; where the server refuses what it asks for, the case is skipped. */
export async function unlessRefused(call) {
  try {
    return await call();
  } catch (error) {
    const told = [error.code, error.message, error.responseBody].join(' ');
    if (told.includes('unsupported_parameter'))
      throw new Skip(`the server refuses it: ${error.message.slice(0, 100)}`);
    throw error;
  }
}

/** `slow` want a server whose steps take 20 seconds. */
export async function run(name, cases, slow = {}) {
  print({ client: name, version: versionOf(name) });
  const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(cases);
  for (const [each, work] of Object.entries({ ...cases, ...slow })) {
    if (names.includes(each)) print({ case: wordsOf(each), ...(await outcomeOf(work)) });
  }
  process.exit();
}

const print = (line) => console.log(JSON.stringify(line));

const wordsOf = (name) => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Of an installed package; some do not export their package.json. */
function versionOf(name) {
  const [folder] = createRequire(import.meta.url).resolve.paths(name);
  return JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')).version;
}

async function outcomeOf(work) {
  try {
    return { outcome: 'passed', detail: (await work()) ?? '' };
  } catch (error) {
    if (error instanceof Skip) return { outcome: 'skipped', detail: error.message };
    console.error(error);
    return { outcome: 'failed', detail: String(error).slice(0, 500) };
  }
}
