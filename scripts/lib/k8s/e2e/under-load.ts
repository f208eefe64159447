import { makeLoad, type LoadOptions, type LoadResult } from '../load.js';

/** What became of the requests that ran while `work` did. */
export async function underLoad(
  url: string,
  options: LoadOptions,
  work: () => Promise<void>,
): Promise<LoadResult> {
  const stop = new AbortController();
  const load = makeLoad(url, options, stop.signal);
  try {
    await work();
  } finally {
    stop.abort();
    await load;
  }
  return load;
}
