import type { RequestSummary } from '../../gateway/telemetry/request-record.js';
import { clock, count, ms, short } from '../parts/format.js';
import { Notice } from '../parts/parts.js';
import { Stale, Untold } from '../parts/stale.js';
import { hrefOf, place } from '../state/place.js';
import { nameOf, requests } from '../state/requests.js';
import { useStore } from '../state/store.js';
import { rateOf } from './layout.js';
import { Opened } from './opened.js';

/** The last requests of this gateway, one of them opened. */
export function Requests() {
  const { item } = useStore(place);
  const told = useStore(requests);
  if (item !== '') return <Opened key={item} id={item} traceUrl={told?.trace_url ?? null} />;
  return (
    <div class="page">
      <header class="title">
        <h2>Requests</h2>
        <p class="sub">The last that this gateway has answered: figures, and nothing of what was said.</p>
      </header>
      {told === null ? <Untold what="Requests" many /> : <Stale />}
      {told !== null && told.requests.length === 0 && (
        <Notice title="None yet">Ask something in the chat, or with any client of the API.</Notice>
      )}
      {told !== null && told.requests.length > 0 && <Table all={told.requests} />}
    </div>
  );
}

const STATES: Readonly<Record<RequestSummary['state'], string>> = {
  running: 'running',
  done: 'done',
  failed: 'failed',
  abandoned: 'client left',
};

function Table({ all }: { all: readonly RequestSummary[] }) {
  return (
    <div class="scroll" tabIndex={0}>
      <table class="figures-table requests">
        <thead>
          <tr>
            <th scope="col">came</th>
            <th scope="col">request</th>
            <th scope="col">state</th>
            <th scope="col">prompt</th>
            <th scope="col">tokens</th>
            <th scope="col">first token</th>
            <th scope="col">tokens/s</th>
            <th scope="col">total</th>
            <th scope="col">moves</th>
          </tr>
        </thead>
        <tbody>
          {all.map((request) => (
            <Row key={nameOf(request)} request={request} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ request }: { request: RequestSummary }) {
  const { id, at, state, error, operation, prompt_tokens, cached_tokens, output_tokens } = request;
  return (
    <tr class={state}>
      <td>{clock(at)}</td>
      <th scope="row">
        <a href={hrefOf('requests', id)} title={id}>
          {operation === 'chat' ? 'chat' : 'completion'} {short(id, 8)}
        </a>
      </th>
      <td>
        <span class={`tag ${state}`}>{error ?? STATES[state]}</span>
      </td>
      <td title={cached_tokens ? `${cached_tokens} of them cached` : undefined}>
        {prompt_tokens === null ? '–' : count(prompt_tokens)}
      </td>
      <td>{count(output_tokens)}</td>
      <td>{ms(request.ttft_ms)}</td>
      <td>{rateOf(request)}</td>
      <td>{ms(request.total_ms)}</td>
      <td>{request.reroutes || ''}</td>
    </tr>
  );
}
