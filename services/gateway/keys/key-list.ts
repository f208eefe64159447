import { createHash } from 'node:crypto';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { modelName, name } from '../../lib/config/environment.js';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { TenantSettings } from './tenant.js';

/** A key of whoever asks is compared with them all. */
const MAX_KEYS = 1_024;
/** Of a whole list. */
export const MAX_BYTES = 1 << 20;

const key = z
  .string()
  .regex(/^[!-~]{16,512}$/, 'expected 16 to 512 printable ASCII characters without spaces')
  .transform((text) => digestOf(text));
const sha256 = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, 'expected 64 hexadecimal digits')
  .transform((text) => Buffer.from(text, 'hex'));
const oneOrMore = (item: z.ZodType<Buffer, string>) =>
  z.preprocess((value) => (Array.isArray(value) ? (value as unknown[]) : [value]), z.array(item)).optional();
const perMinute = z.int().min(1).max(1e12).nullish();

/** Strict, so that a limit whose name is misspelt is not left out. */
const entry = z.strictObject({
  name,
  key: oneOrMore(key),
  sha256: oneOrMore(sha256),
  models: z.array(modelName).nullish(),
  requests_per_minute: perMinute,
  tokens_per_minute: perMinute,
  concurrency: z.int().min(1).max(65_536).nullish(),
  cache_salt: z.string().min(1).max(256).nullish(),
  priority: z.int().default(0),
});

/** SHA-256 of a key, which is all that is kept of it. */
export const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Who may ask, by a list in YAML or JSON, or by a key on each line. Throws `invalid_config` with a message that holds
 * nothing of the text, for it may be logged.
 */
export function parseKeyList(text: string): TenantSettings[] {
  if (Buffer.byteLength(text) > MAX_BYTES) throw invalid(`is larger than ${MAX_BYTES} bytes`);
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) throw invalid('is empty (a list of nobody is [])');
  const tenants = /^(?:-\s|-$|\[|---)/.test(lines[0]!) ? parseEntries(text) : lines.map(tenantOfLine);
  requireUnique(tenants);
  return tenants;
}

function parseEntries(text: string): TenantSettings[] {
  const parsed = z.array(entry).safeParse(parseYaml(text));
  if (parsed.success) return parsed.data.map(toTenant);
  const { path, message, code } = parsed.error.issues[0]!;
  const [index, ...field] = path;
  const where = typeof index === 'number' ? `entry ${index + 1}` : 'the whole';
  // The name of a field that is not known may be a key in the wrong place.
  const problem = code === 'unrecognized_keys' ? 'has a field that is not known' : message;
  throw invalid([where, ...field.map(String)].join(', ') + `: ${problem}`);
}

/** What the parser says of a mistake shows the lines around it, so only where it is is told. */
function parseYaml(text: string): unknown {
  try {
    return parse(text, { logLevel: 'error' });
  } catch (error) {
    const line = error instanceof YAMLParseError ? error.linePos?.[0].line : undefined;
    throw invalid(`is no YAML${line === undefined ? '' : `, at line ${line}`}`);
  }
}

function toTenant(raw: z.output<typeof entry>): TenantSettings {
  const digests = [...(raw.key ?? []), ...(raw.sha256 ?? [])];
  if (digests.length === 0) throw invalid(`${raw.name} has neither key nor sha256`);
  return {
    name: raw.name,
    digests,
    models: raw.models ?? null,
    requestsPerMinute: raw.requests_per_minute ?? null,
    tokensPerMinute: raw.tokens_per_minute ?? null,
    concurrency: raw.concurrency ?? null,
    cacheSalt: raw.cache_salt ?? `tenant:${raw.name}`,
    priority: raw.priority,
  };
}

function tenantOfLine(line: string, index: number): TenantSettings {
  const parsed = key.safeParse(line);
  if (!parsed.success) throw invalid(`key ${index + 1}: ${parsed.error.issues[0]!.message}`);
  const digest = parsed.data;
  return toTenant({ name: `key-${digest.toString('hex', 0, 6)}`, key: [digest], priority: 0 });
}

function requireUnique(tenants: readonly TenantSettings[]): void {
  const names = tenants.map(({ name }) => name);
  const keys = tenants.flatMap(({ digests }) => digests.map((digest) => digest.toString('hex')));
  if (keys.length > MAX_KEYS) throw invalid(`has ${keys.length} keys, and may have ${MAX_KEYS}`);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw invalid(`has the name ${twice} twice`);
  if (new Set(keys).size < keys.length) throw invalid('has a key twice');
}

const invalid = (problem: string): ServingError =>
  new ServingError('invalid_config', `the list of keys ${problem}`, {
    hint: 'docs/security.md has its form',
  });
