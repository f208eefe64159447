import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalSystem } from '../../local/local-system.js';
import { planSystem } from '../../local/plan-system.js';

/** Of random tokens more is guessed right than of another generator's words: who compares figures has none guessed. */
export const PLAIN = { LAYERMESH_SPECULATION: 'off' };
/** Longer than what a gateway waits before it sends a sign of life, and than what some proxies wait for one. */
export const PAUSES = { ...PLAIN, LAYERMESH_FAULT_STAGE: 'stage-1', LAYERMESH_FAULT_STEP_MS: '20000' };
const KEYS = {
  LAYERMESH_API_KEY: 'sk-clients-0123456789',
  LAYERMESH_LIMITED_KEY: 'sk-limited-0123456789',
  LAYERMESH_OTHER_KEY: 'sk-another-0123456789',
};
const TENANTS = [
  { name: 'clients', key: KEYS.LAYERMESH_API_KEY },
  { name: 'limited', key: KEYS.LAYERMESH_LIMITED_KEY, requests_per_minute: 20 },
  { name: 'other', key: KEYS.LAYERMESH_OTHER_KEY, models: ['another-model'] },
];

/** Such as that of the clients' programs: where the server is, and its keys. */
export type Environment = Readonly<Record<string, string>>;

/**
 * The demo model in f32 on three stages with their sidecars, and keys, for the time of `work`, its services with more
 * environment. `work` gets what the clients' programs are to know.
 */
export async function withServer<Result>(
  more: Environment,
  signal: AbortSignal,
  work: (env: Environment) => Promise<Result>,
): Promise<Result> {
  const plan = await planSystem({ precision: 'f32', stages: 3 }, signal);
  const folder = mkdtempSync(join(tmpdir(), 'layermesh-clients-'));
  const keys = join(folder, 'keys.json');
  writeFileSync(keys, JSON.stringify(TENANTS));
  try {
    const system = await LocalSystem.start(
      {
        ...plan,
        env: { ...plan.env, LAYERMESH_KEYS_FILE: keys, ...more },
      },
      signal,
    );
    try {
      return await work({
        ...KEYS,
        LAYERMESH_URL: system.url,
        LAYERMESH_MODEL: plan.modelName,
        LAYERMESH_TOKENIZER: plan.served['LAYERMESH_PREPARED']!,
      });
    } finally {
      await system.remove();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
