import { Fragment } from 'preact';
import { bytes, bytesPerSecond, digits, ms, percent, plural, shortReplica } from '../parts/format.js';
import { Meter } from '../parts/parts.js';
import { Untold } from '../parts/stale.js';
import { changes, mesh, report, type KnownChange, type MeshState, type Report } from '../state/mesh.js';
import { useStore } from '../state/store.js';

type Stage = MeshState['stages'][number];
type Replica = Stage['replicas'][number];
type StageReport = Report['stages'][number];

/** Replicas of which there are more are scrolled within their card. */
const MANY = 12;
/** How long what has come or gone is marked, ms. */
const FRESH_MS = 8_000;

/** The stages in the order of their layers, from the gateway and back to it; `upright` is the small one beside a chat. */
export function Pipeline({ upright = false }: { upright?: boolean }) {
  const state = useStore(mesh);
  const measured = useStore(report);
  const happened = useStore(changes);
  if (state === null) return <Untold what="The mesh" />;
  const fresh = happened.filter(({ change }) => state.at - change.at < FRESH_MS);
  return (
    <ol
      class={upright ? 'pipeline upright' : 'pipeline'}
      aria-label="The stages, in the order of the layers"
      tabIndex={upright ? undefined : 0}
    >
      <GatewayCard state={state} measured={measured} />
      {state.stages.map((stage, index) => (
        <Fragment key={stage.app_id}>
          <Link
            hop={hopInto(state, measured, index)}
            rate={stage.links.reduce((sum, each) => sum + each.bytes_in_per_second, 0)}
          />
          <StageCard
            stage={stage}
            measured={measured?.stages[index] ?? null}
            isBottleneck={measured?.bottleneck.stage === stage.app_id}
            fresh={fresh}
            upright={upright}
          />
        </Fragment>
      ))}
    </ol>
  );
}

function GatewayCard({ state, measured }: { state: MeshState; measured: Report | null }) {
  return (
    <li class="card gateway">
      <header>
        <h3>gateway</h3>
        <span class="sub" title={state.gateway}>
          {shortReplica(state.gateway)}
        </span>
      </header>
      <dl class="pairs">
        <div>
          <dt>running</dt>
          <dd data-testid="running">{state.running}</dd>
        </div>
        <div>
          <dt>waiting</dt>
          <dd>{state.waiting}</dd>
        </div>
        <div>
          <dt>tokens/s</dt>
          <dd>{measured === null ? '–' : digits(measured.tokens_per_second)}</dd>
        </div>
      </dl>
    </li>
  );
}

/** Into a stage: in rounds where there were some of late, else half of an idle round trip; null where neither is known. */
function hopInto({ stages }: MeshState, measured: Report | null, index: number): number | null {
  const inRounds = measured?.stages[index]?.decode.hop_ms;
  if (inRounds !== undefined) return inRounds;
  const links = stages[Math.max(0, index - 1)]!.links;
  const sum = links.reduce((all, each) => all + (index === 0 ? each.from_gateway_ms : each.to_next_ms), 0);
  return links.length === 0 ? null : sum / links.length;
}

function Link({ hop, rate }: { hop: number | null; rate: number }) {
  const latency = hop === null ? 'no link' : ms(hop);
  return (
    <li
      class={rate > 0 ? 'link flows' : 'link'}
      aria-label={`a hop of ${latency}, ${bytesPerSecond(rate)}`}
      title="on the way, of a token's round; idle: half of a round trip. Payload per second"
    >
      <span>{latency}</span>
      <span class="rate">{rate > 0 ? bytesPerSecond(rate) : ''}</span>
    </li>
  );
}

interface StageCardProps {
  readonly stage: Stage;
  readonly measured: StageReport | null;
  readonly isBottleneck: boolean;
  readonly fresh: readonly KnownChange[];
  readonly upright: boolean;
}

function StageCard({ stage, measured, isBottleneck, fresh, upright }: StageCardProps) {
  const { app_id: name, start, end, head, replicas } = stage;
  const busy = replicas.reduce((sum, each) => sum + each.busy_ratio, 0) / Math.max(1, replicas.length);
  const gone = fresh.filter(
    ({ change }) =>
      change.kind === 'replica_gone' &&
      change.stage === name &&
      !replicas.some(({ id }) => id === change.replica),
  );
  const isMany = replicas.length > MANY;
  const isNew = (id: string): boolean =>
    fresh.some(
      ({ change }) => change.kind === 'replica_up' && change.stage === name && change.replica === id,
    );
  return (
    <li class={`card stage ${isBottleneck ? 'bottleneck' : ''}`} data-stage={name}>
      <header>
        <h3>{name}</h3>
        {isBottleneck && <span class="badge">bottleneck</span>}
        <span class="sub">
          {upright && isBottleneck ? '' : 'layers '}
          {start}–{end - 1}
          {head && !(upright && isBottleneck) && ' + head'}
        </span>
      </header>
      <Layers count={end - start} busy={busy} />
      {!upright && (
        <dl class="pairs">
          <div>
            <dt>busy</dt>
            <dd>{percent(busy)}</dd>
          </div>
          <div title="sequences in a step">
            <dt>batch</dt>
            <dd>{measured === null ? '–' : digits(measured.batch_size)}</dd>
          </div>
          <div title="of a mean step">
            <dt>step</dt>
            <dd>{measured === null ? '–' : ms(measured.step_ms)}</dd>
          </div>
          <div title="what a token's round waits here">
            <dt>queue</dt>
            <dd>{measured === null ? '–' : ms(measured.decode.queue_ms)}</dd>
          </div>
        </dl>
      )}
      {replicas.length === 0 && gone.length === 0 && <p class="none">no replica</p>}
      <ul
        class={isMany ? 'replicas many' : 'replicas'}
        aria-label={`${plural(replicas.length, 'replica')} of ${name}`}
        tabIndex={isMany ? 0 : undefined}
      >
        {replicas.map((replica) => (
          <ReplicaRow key={replica.id} replica={replica} isNew={isNew(replica.id)} upright={upright} />
        ))}
        {gone.map(({ id, change }) => (
          <li key={id} class="replica gone">
            <span class="name">{'replica' in change ? shortReplica(change.replica) : ''}</span>
            <span class="state">gone</span>
          </li>
        ))}
      </ul>
    </li>
  );
}

/** A cell for each layer, the warmer the busier the stage. */
function Layers({ count, busy }: { count: number; busy: number }) {
  const cells = Math.min(count, 48);
  return (
    <span class="layers" aria-hidden="true" style={{ '--busy': String(0.12 + 0.88 * busy) }}>
      {Array.from({ length: cells }, () => (
        <i />
      ))}
    </span>
  );
}

function ReplicaRow({ replica, isNew, upright }: { replica: Replica; isNew: boolean; upright: boolean }) {
  const { id, host, pid, state, sequences, kv_used, kv_capacity, busy_ratio, rss_bytes } = replica;
  const kv = kv_used / Math.max(1, kv_capacity);
  const classes = ['replica', state, isNew ? 'new' : ''].join(' ');
  return (
    <li class={classes} data-replica={id}>
      <span class="name" title={`${id} on ${host}, pid ${pid}`}>
        {shortReplica(id)}
      </span>
      <span class="state">
        {state === 'draining' ? 'draining' : isNew ? 'new' : plural(sequences, 'sequence')}
      </span>
      <Meter share={busy_ratio} label={`busy ${percent(busy_ratio)}`} strong />
      {!upright && (
        <>
          <Meter share={kv} label={`KV room: ${kv_used} of ${kv_capacity} tokens`} />
          <span class="more">
            KV {percent(kv)} · {bytes(rss_bytes)}
          </span>
        </>
      )}
    </li>
  );
}
