import type { Cluster } from '../kubectl.js';

const LINES = 400;
const MAX_LENGTH = 400;
const WARN = 40;

/** The last warning or error that a container of a pod has logged; null where there is none, or no log. */
export async function lastWarning(
  cluster: Cluster,
  { namespace, pod, container }: { namespace: string; pod: string; container: string },
): Promise<string | null> {
  const lines = await readLog(cluster, namespace, pod, `container=${container}`);
  return lines.map(warningOf).findLast((each) => each !== null) ?? null;
}

/** What a container said last before it ended; null where nobody knows. */
export async function lastWords(
  cluster: Cluster,
  { namespace, pod, container }: { namespace: string; pod: string; container: string },
): Promise<string | null> {
  const lines =
    (await readLog(cluster, namespace, pod, `container=${container}&previous=true`).then(nullIfEmpty)) ??
    (await readLog(cluster, namespace, pod, `container=${container}`));
  return lines.map(warningOf).findLast((each) => each !== null) ?? lines.at(-1)?.slice(0, MAX_LENGTH) ?? null;
}

const nullIfEmpty = (lines: string[]): string[] | null => (lines.length === 0 ? null : lines);

async function readLog(cluster: Cluster, namespace: string, pod: string, which: string): Promise<string[]> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log?${which}&tailLines=${LINES}`;
  const text = await cluster.raw(path).catch(() => '');
  return text.split('\n').filter((line) => line.trim() !== '');
}

/** Of a service: a line of its log at warning or above, or the one line it dies with. Of a sidecar: likewise. */
function warningOf(line: string): string | null {
  if (/^error\[|level=(warning|error|fatal)/.test(line)) return line.slice(0, MAX_LENGTH);
  try {
    const { level, msg, to, reason } = JSON.parse(line) as Partial<Record<string, unknown>>;
    if (typeof level !== 'number' || level < WARN) return null;
    return [msg, to, reason]
      .filter((part) => typeof part === 'string')
      .join(': ')
      .slice(0, MAX_LENGTH);
  } catch {
    return null;
  }
}
