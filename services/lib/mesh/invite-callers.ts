import { setTimeout as delay } from 'node:timers/promises';
import { SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { ServingError } from '../errors/serving-error.js';
import { ATTRIBUTES, SPANS } from '../telemetry/names.js';
import { traceparentOf } from '../telemetry/trace-context.js';
import { announcedPlan, misfitOfRecord, type Identity } from './identity.js';
import type { LinkServer } from './link-server.js';
import type { Mesh, ReplicaRecord } from './types.js';

export interface InviteOptions {
  readonly mesh: Pick<Mesh, 'open' | 'registry'>;
  readonly identity: Identity;
  readonly server: Pick<LinkServer, 'invite' | 'isCalledBy'>;
  /** Whose replicas are to call this one. */
  readonly appIds: readonly string[];
  readonly tracer?: Tracer;
  /** Something did not work and is tried again; for a log. */
  readonly onTrouble?: (reason: ServingError) => void;
}

/** What became of it, for a log. */
interface Invited {
  /** Callers that it had in the end, and those that it still lacked. */
  readonly callers: number;
  readonly missing: number;
  /** Streams opened. */
  readonly opens: number;
  readonly seconds: number;
}

/** Streams opened at once: one that reaches a sidecar that hangs keeps us from no other. */
const OPENS_AT_ONCE = 4;
/** Between two looks at the registry, ms: it doubles up to the second number. */
const [FIRST_PAUSE_MS, MAX_PAUSE_MS] = [50, 5_000];
/** Who has not been reached by then, ms, finds us by our name, which every sidecar has heard of. */
const INVITE_FOR_MS = 60_000;

/**
 * Has every caller that is there call this new replica. To find it by itself, a caller's sidecar would have to learn of
 * it first, for which it waits as long as it keeps a name look-up; our own is as new as we are, and the callers' names
 * are old. So the streams are opened from here, and the links over them are like any other.
 *
 * Dapr picks the caller that a stream reaches, at random: to meet n of them takes n(1 + 1/2 + … + 1/n) streams on
 * average, of which those that meet a caller twice end at once. Callers that come later open their links themselves.
 */
export async function inviteCallers(options: InviteOptions, signal: AbortSignal): Promise<Invited> {
  const began = performance.now();
  const each = await Promise.all(options.appIds.map((appId) => inviteReplicasOf(appId, options, signal)));
  const sum = (field: 'callers' | 'missing' | 'opens'): number =>
    each.reduce((total, one) => total + one[field], 0);
  return {
    callers: sum('callers'),
    missing: sum('missing'),
    opens: sum('opens'),
    seconds: (performance.now() - began) / 1000,
  };
}

async function inviteReplicasOf(
  appId: string,
  options: InviteOptions,
  signal: AbortSignal,
): Promise<Omit<Invited, 'seconds'>> {
  const { server, onTrouble } = options;
  const until = performance.now() + INVITE_FOR_MS;
  let callers: readonly ReplicaRecord[] = [];
  const missing = (): ReplicaRecord[] => callers.filter(({ replica }) => !server.isCalledBy(replica));
  // In turn, so that those who do not answer keep us from no other.
  const some = (turn: number): ReplicaRecord[] => {
    const left = signal.aborted ? [] : missing();
    const first = turn * OPENS_AT_ONCE;
    return left.slice(0, OPENS_AT_ONCE).map((_, index) => left[(first + index) % left.length]!);
  };
  let opens = 0;
  for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    const found = await callersOf(appId, options).catch((error: unknown) => {
      onTrouble?.(ServingError.from(error));
      return null;
    });
    callers = found ?? callers;
    // As many turns as there are callers: Dapr's choice meets most of them in that, and the next look the others.
    for (let turn = 0; turn < callers.length; turn++) {
      const wanted = some(turn);
      opens += wanted.length;
      await Promise.all(wanted.map((caller) => invite(caller, options)));
    }
    if ((found !== null && missing().length === 0) || performance.now() > until) break;
    await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
  const left = missing().length;
  return { callers: callers.length - left, missing: left, opens };
}

/** Those that live, take sequences and serve our plan. */
async function callersOf(appId: string, { mesh, identity }: InviteOptions): Promise<ReplicaRecord[]> {
  const ours = announcedPlan(identity.plan);
  const listed = await mesh.registry.list(appId);
  return listed.filter((record) => !record.draining && misfitOfRecord(record, ours) === null);
}

async function invite(
  caller: ReplicaRecord,
  { mesh, server, tracer, onTrouble }: InviteOptions,
): Promise<void> {
  const span = tracer?.startSpan(SPANS.link, { kind: SpanKind.CLIENT, root: true });
  const traceparent = span && traceparentOf(span.spanContext());
  const answer = await server.invite(mesh.open(caller, traceparent), traceparent);
  if (answer instanceof ServingError) {
    // A stream that has met a caller twice ends as well, and is no error.
    if (answer.code !== 'stream_broken')
      span?.setStatus({ code: SpanStatusCode.ERROR, message: answer.message });
    onTrouble?.(answer);
  } else {
    span?.setAttribute(ATTRIBUTES.linkTo, `${answer.appId}/${answer.replica}`);
  }
  span?.end();
}
