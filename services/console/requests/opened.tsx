import type { RequestRecord } from '../../gateway/telemetry/request-record.js';
import type { RouteView } from '../../gateway/telemetry/round-trail.js';
import { clock, count, ms, percent, plural, short, shortReplica } from '../parts/format.js';
import { Figure, Icon, Notice, Trouble } from '../parts/parts.js';
import { ApiError } from '../state/api.js';
import { hrefOf } from '../state/place.js';
import { usePolled } from '../state/polled.js';
import { partsOf, rateOf } from './layout.js';
import { Waterfall } from './waterfall.js';

/** One request: its figures, its parts, its rounds and the routes that it took. */
export function Opened({ id, traceUrl }: { id: string; traceUrl: string | null }) {
  const { value, error } = usePolled<RequestRecord>(
    `requests/${encodeURIComponent(id)}`,
    1_000,
    ({ state }) => state !== 'running',
  );
  const isMissing = error instanceof ApiError && error.status === 404;
  return (
    <div class="page">
      <header class="title">
        <a class="button quiet" href={hrefOf('requests')}>
          <Icon name="back" /> All requests
        </a>
        <h2>Request {short(id, 12)}</h2>
        {value !== null && (
          <p class="sub">
            {value.operation === 'chat' ? 'Chat' : 'Completion'} with {value.model}, at {clock(value.at)}
          </p>
        )}
      </header>
      {isMissing && (
        <Notice title="It is not kept any more">
          The gateway remembers the last requests, and this is none of them.
        </Notice>
      )}
      {error !== null && !isMissing && <Trouble what="Requests" error={error} />}
      {error === null && value === null && <Notice title="Looking at the request …" />}
      {value !== null && <Details record={value} traceUrl={traceUrl} />}
    </div>
  );
}

function Details({ record, traceUrl }: { record: RequestRecord; traceUrl: string | null }) {
  const { state, error, finish_reasons, prompt_tokens, cached_tokens, output_tokens, trace_id } = record;
  const ending = error ?? (state === 'done' ? finish_reasons.join(', ') : state);
  return (
    <>
      <dl class="figures-row">
        <Figure
          label={state === 'running' ? 'state' : 'ended'}
          value={ending === 'abandoned' ? 'client left' : ending}
        />
        <Figure
          label={cached_tokens ? `prompt tokens, ${cached_tokens} cached` : 'prompt tokens'}
          value={prompt_tokens === null ? '–' : count(prompt_tokens)}
        />
        <Figure label="tokens" value={count(output_tokens)} />
        <Figure label="first token" value={ms(record.ttft_ms)} />
        <Figure label="tokens per second" value={rateOf(record)} />
        <Figure label="total" value={ms(record.total_ms)} />
      </dl>
      <Parts record={record} />
      {record.sequences.map((trail, index) => (
        <section>
          <h3>{record.sequences.length > 1 ? `Rounds of choice ${index + 1}` : 'Rounds'}</h3>
          <Waterfall timings={record.timings} trail={trail} />
          <Routes routes={trail.routes} />
        </section>
      ))}
      {trace_id !== null && traceUrl !== null && (
        <p>
          <a href={traceUrl.replace('{trace}', trace_id)} target="_blank" rel="noopener noreferrer">
            The whole trace, with the spans of every stage
          </a>
        </p>
      )}
      {record.prompt !== null && (
        <details>
          <summary>The prompt, which is captured here</summary>
          <pre class="as-it-came">{record.prompt}</pre>
        </details>
      )}
    </>
  );
}

/** A bar of all parts and, for the figures, a table of them. */
function Parts({ record: { timings } }: { record: RequestRecord }) {
  const parts = partsOf(timings);
  const total = timings.total_ms;
  const sum = parts.reduce((all, part) => all + part.ms, 0);
  return (
    <section>
      <h3>Where {ms(total)} went</h3>
      <div class="parts-bar" aria-hidden="true">
        {parts.map((part) => (
          <i
            class={part.kind}
            title={`${part.name}: ${ms(part.ms)}`}
            style={{ flexGrow: String(Math.max(part.ms, total / 2_000)) }}
          />
        ))}
      </div>
      <ul class="parts" data-testid="parts" data-sum={sum} data-total={total}>
        {parts.map((part) => (
          <li data-part={part.name} data-ms={part.ms}>
            <i class={part.kind} />
            <span>{part.name}</span>
            <b>{ms(part.ms)}</b>
            <small>{percent(part.ms / Math.max(total, 1e-9))}</small>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Routes({ routes }: { routes: readonly RouteView[] }) {
  if (routes.length === 0) return <p class="hint">It never had a route.</p>;
  return (
    <ol class="routes" aria-label={plural(routes.length, 'route')}>
      {routes.map(({ start_ms, hops, reason }) => (
        <li>
          <small>{ms(start_ms)}</small>
          <span class="route">
            {hops.map(({ appId, replica }) => (
              <span title={`${appId}/${replica}`}>
                {appId}
                <i>{shortReplica(replica)}</i>
              </span>
            ))}
          </span>
          {reason !== null && <small>moved: {reason.replaceAll('_', ' ')}</small>}
        </li>
      ))}
    </ol>
  );
}
