import { Scrape } from '../../bench/measure/prometheus.js';
import { stageCountersOf } from '../../bench/measure/stage-counters.js';
import type { PodView, Used } from '../types.js';

/** What a process has used, by the figures that every Prometheus client library gives. */
export function usedOf(scrape: Scrape): Used {
  return {
    cpuSeconds: scrape.total('process_cpu_seconds_total'),
    rssBytes: scrape.total('process_resident_memory_bytes'),
  };
}

/** A pod as the pages of its service and its sidecar tell; null for a page that can not be had. */
export function podViewOf(
  { name, app, cpuLimit }: Pick<PodView, 'name' | 'app' | 'cpuLimit'>,
  service: string | null,
  sidecar: string | null,
): PodView {
  const isStage = service !== null && app !== 'gateway';
  return {
    name,
    app,
    cpuLimit,
    service: service === null ? null : usedOf(new Scrape(service)),
    sidecar: sidecar === null ? null : usedOf(new Scrape(sidecar)),
    counters: isStage ? stageCountersOf(service) : null,
  };
}

/** A page of metrics; null where it can not be had now. */
export async function readPage(url: string, signal: AbortSignal): Promise<string | null> {
  try {
    const response = await fetch(url, { signal });
    return response.ok ? await response.text() : null;
  } catch {
    return null;
  }
}
