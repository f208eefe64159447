import type { Cluster } from '../kubectl.js';
import { containersOf, statusesOf, type ContainerStatus, type Ending, type Pod } from '../objects.js';

/** What Kubernetes says stands in a pod's way. */
export interface Trouble {
  /** What should be, such as `the image of stage is there`. */
  readonly what: string;
  /** What is, and what to do. */
  readonly fix: string;
  /** It does not pass by itself: somebody has to do it. */
  readonly lasts?: true;
  /** The container whose last words tell why, where it ended by itself. */
  readonly ended?: string;
}

/** One that was killed for its memory and lives again is spoken of for so long. */
const RECENT_MS = 3_600_000;

/** The first time; what is tried again has this in turn with `ImagePullBackOff`. */
const FIRST_PULL = 'ErrImagePull';

const IMAGE_REASONS = new Set([
  FIRST_PULL,
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
]);

/** Reasons for which a container waits that pass by themselves. */
const PASSING_REASONS = new Set(['ContainerCreating', 'PodInitializing']);

/** Empty where the pod has a node and each container runs, or is being started. */
export function troublesOf(pod: Pod, now = Date.now()): Trouble[] {
  const scheduled = pod.status.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    const reason = scheduled.message ?? scheduled.reason ?? 'the scheduler does not say why';
    return [
      { what: 'it has a node', fix: `${reason}: make room, or ask for less (--cpu-request, --memory)` },
    ];
  }
  return statusesOf(pod).flatMap((status) => troubleOf(pod, status, now) ?? []);
}

function troubleOf(
  pod: Pod,
  { name, image, state, lastState, restartCount }: ContainerStatus,
  now: number,
): Trouble | null {
  const { reason = '', message } = state?.waiting ?? {};
  const said = message === undefined ? reason : `${reason}: ${message}`;
  if (IMAGE_REASONS.has(reason)) {
    const fix = `${said} (${image ?? 'no image'}): push it, or name another in the overlay's images`;
    const what = `the image of ${name} is there`;
    return reason === FIRST_PULL ? { what, fix } : { what, fix, lasts: true };
  }
  if (reason === 'CreateContainerConfigError') {
    const fix = `${said}: make the Secret or ConfigMap that it names (k8s/README.md)`;
    return { what: `the configuration of ${name} is there`, fix, lasts: true };
  }
  const ending = state?.terminated ?? lastState?.terminated;
  if (ending?.reason === 'OOMKilled' && isNews(ending, state, now)) {
    return { what: `${name} has enough memory`, fix: outOfMemory(pod, name, restartCount) };
  }
  const ended = state?.terminated !== undefined && state.terminated.exitCode !== 0;
  if (reason === 'CrashLoopBackOff' || ended) {
    return { what: `${name} stays up`, fix: `it ${describe(ending)}, ${times(restartCount)}`, ended: name };
  }
  if (reason === '' || PASSING_REASONS.has(reason)) return null;
  return { what: `${name} can be started`, fix: said };
}

/** It is not running again, or not for long. */
const isNews = ({ finishedAt }: Ending, state: ContainerStatus['state'], now: number): boolean =>
  state?.running === undefined || now - Date.parse(finishedAt ?? '') < RECENT_MS;

function outOfMemory(pod: Pod, name: string, restarts: number): string {
  const limit = containersOf(pod).find((each) => each.name === name)?.resources?.limits?.memory;
  const remedy =
    name === 'daprd' ? 'raise dapr.io/sidecar-memory-limit' : 'raise --memory, or lower LAYERMESH_KV_TOKENS';
  return `OOMKilled, ${times(restarts)}: it needs more than its limit of ${limit ?? 'the node'}; ${remedy}`;
}

function describe(ending: Ending | undefined): string {
  if (ending === undefined) return 'ended';
  const { exitCode, reason, message } = ending;
  const why = message === undefined || message.trim() === '' ? '' : `: ${message.trim()}`;
  return `ended with exit code ${exitCode} (${reason ?? 'no reason given'})${why}`;
}

const times = (restarts: number): string => (restarts === 1 ? 'once' : `${restarts} times`);

const LINES = 400;
const MAX_LENGTH = 400;
const WARN = 40;

/** Of which log is spoken. */
interface LogOf {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** The last warning or error that a container of a pod has logged; null where there is none, or no log. */
export const lastWarning = async (cluster: Cluster, of: LogOf): Promise<string | null> =>
  warningIn(await readLog(cluster, of));

/** What a container said last before it ended; null where nobody knows. */
export async function lastWords(cluster: Cluster, of: LogOf): Promise<string | null> {
  const previous = await readLog(cluster, of, '&previous=true');
  const lines = previous.length > 0 ? previous : await readLog(cluster, of);
  return warningIn(lines) ?? lines.at(-1)?.slice(0, MAX_LENGTH) ?? null;
}

const warningIn = (lines: readonly string[]): string | null =>
  lines.map(warningOf).findLast((each) => each !== null) ?? null;

async function readLog(
  cluster: Cluster,
  { namespace, pod, container }: LogOf,
  which = '',
): Promise<string[]> {
  const query = `container=${container}${which}&tailLines=${LINES}`;
  const text = await cluster.raw(`/api/v1/namespaces/${namespace}/pods/${pod}/log?${query}`).catch(() => '');
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
