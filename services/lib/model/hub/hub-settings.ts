import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../../config/env.js';

export interface HubSettings {
  readonly endpoint: string;
  readonly token: string | undefined;
  /** Folder that all of Hugging Face's tools share. */
  readonly cache: string;
  readonly offline: boolean;
}

/** Hugging Face's own variables: https://huggingface.co/docs/huggingface_hub, "Environment variables". */
export function readHubSettings(environment: Environment): HubSettings {
  const home = environment.text('HF_HOME', join(homedir(), '.cache', 'huggingface'));
  const token = environment.text('HF_TOKEN', '');
  return {
    endpoint: environment.text('HF_ENDPOINT', 'https://huggingface.co').replace(/\/+$/, ''),
    token: token === '' ? undefined : token,
    cache: environment.text('HF_HUB_CACHE', join(home, 'hub')),
    offline: ['1', 'on', 'yes', 'true'].includes(environment.text('HF_HUB_OFFLINE', '').toLowerCase()),
  };
}
