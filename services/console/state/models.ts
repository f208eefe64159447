import { useEffect, useState } from 'preact/hooks';
import { call, keys } from './api.js';
import { useStore } from './store.js';

/** One of `/v1/models`. */
export interface Model {
  readonly id: string;
  /** The model that this is a name for; its own id where it is no alias. */
  readonly root: string;
}

/** The models that the gateway serves to who asks; none while it is not known. */
export function useModels(): readonly Model[] {
  const [models, setModels] = useState<readonly Model[]>([]);
  const key = useStore(keys);
  useEffect(() => {
    const gone = new AbortController();
    call('v1/models', { right: 'use', signal: gone.signal, isNeeded: false })
      .then(async (response) => setModels(((await response.json()) as { data: Model[] }).data))
      .catch(() => undefined);
    return () => gone.abort();
  }, [key]);
  return models;
}
