import { useEffect, useState } from 'preact/hooks';
import { ApiError, getJson, keys } from './api.js';
import { useStore } from './store.js';

/** Asks again and again while the page is looked at, until `isLast`; and at once with a new key. */
export function usePolled<Body>(
  path: string,
  every: number,
  isLast: (value: Body) => boolean = () => false,
): { value: Body | null; error: Error | null } {
  const [state, setState] = useState<{ value: Body | null; error: Error | null }>({
    value: null,
    error: null,
  });
  const key = useStore(keys);
  useEffect(() => {
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      if (!document.hidden) {
        try {
          const value = await getJson<Body>(path, gone.signal);
          setState({ value, error: null });
          if (isLast(value)) return;
        } catch (error) {
          if (gone.signal.aborted) return;
          setState((old) => ({ value: old.value, error: error as Error }));
          if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return;
        }
      }
      if (!gone.signal.aborted) timer = setTimeout(() => void ask(), every);
    };
    void ask();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [path, every, key]);
  return state;
}
