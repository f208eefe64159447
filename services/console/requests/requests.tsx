import { useEffect, useState } from 'preact/hooks';
import type { RequestSummary } from '../../gateway/telemetry/request-record.js';
import { clock, count, digits, ms, short } from '../parts/format.js';
import { Notice } from '../parts/parts.js';
import { ApiError, getJson, keys } from '../state/api.js';
import { hrefOf, place } from '../state/place.js';
import { useStore } from '../state/store.js';
import { Opened } from './opened.js';

const EVERY_MS = 2_000;

interface Listed {
  readonly trace_url: string | null;
  readonly requests: readonly RequestSummary[];
}

/** The last requests of this gateway, one of them opened. */
export function Requests() {
  const { item } = useStore(place);
  const { value, error } = usePolled<Listed>('requests', EVERY_MS);
  if (item !== '') return <Opened key={item} id={item} traceUrl={value?.trace_url ?? null} />;
  return (
    <div class="page">
      <header class="title">
        <h2>Requests</h2>
        <p class="sub">The last that this gateway has answered: figures, and nothing of what was said.</p>
      </header>
      {error !== null && <Trouble error={error} />}
      {value !== null && value.requests.length === 0 && (
        <Notice title="None yet">Ask something in the chat, or with any client of the API.</Notice>
      )}
      {value !== null && value.requests.length > 0 && <Table requests={value.requests} />}
    </div>
  );
}

export function Trouble({ error }: { error: Error }) {
  const locked = error instanceof ApiError && (error.status === 401 || error.status === 403);
  return locked ? (
    <Notice title="Requests are for operators">They are shown with an operator's key.</Notice>
  ) : (
    <Notice title="They cannot be had" tone="bad">
      {error.message}
    </Notice>
  );
}

const STATES: Readonly<Record<RequestSummary['state'], string>> = {
  running: 'running',
  done: 'done',
  failed: 'failed',
  abandoned: 'client left',
};

function Table({ requests }: { requests: readonly RequestSummary[] }) {
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
          {requests.map((request) => (
            <Row key={`${request.id} ${request.at}`} request={request} />
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

/** After the first token. */
export function rateOf({ output_tokens, ttft_ms, total_ms }: RequestSummary): string {
  if (ttft_ms === null || output_tokens < 2 || total_ms <= ttft_ms) return '–';
  return digits(((output_tokens - 1) / (total_ms - ttft_ms)) * 1000);
}

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
