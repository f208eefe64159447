import { clock, digits, ms, percent, plural } from '../parts/format.js';
import { Figure, Notice } from '../parts/parts.js';
import { Stale } from '../parts/stale.js';
import { changes, mesh, report, type Happened, type Report } from '../state/mesh.js';
import { useModels } from '../state/models.js';
import { useStore } from '../state/store.js';
import { Pipeline } from './pipeline.js';

/** The whole mesh: where its time goes, what would help, and what has happened. */
export function Mesh() {
  const state = useStore(mesh);
  const measured = useStore(report);
  return (
    <div class="page">
      <header class="title">
        <h2>The mesh</h2>
        {state !== null && (
          <p class="sub">
            {state.model}, {state.engine ?? state.precision}, split{' '}
            {state.split.join(', ') || 'into one stage'}
          </p>
        )}
        <OtherModels shown={state?.model ?? ''} />
      </header>
      <Stale />
      {measured !== null && (
        <dl class="figures-row">
          <Figure label="tokens per second" value={digits(measured.tokens_per_second)} />
          <Figure label="first token" value={ms(measured.ttft_ms)} hint="mean, as the gateway sees it" />
          <Figure label="per further token" value={ms(measured.tpot_ms)} />
          <Figure label="sequences decoding" value={digits(measured.sequences)} />
          <Figure label="of a token's time on hops" value={percent(measured.hops.tpot_share)} />
        </dl>
      )}
      <Pipeline />
      <div class="columns">
        <Help measured={measured} />
        <Happenings />
      </div>
    </div>
  );
}

/** Where a gateway serves several: the page is about the mesh of one of them. */
function OtherModels({ shown }: { shown: string }) {
  const models = useModels().filter(({ id, root }) => id === root);
  if (models.length < 2) return null;
  const show = (id: string): void => {
    location.assign(`?model=${encodeURIComponent(id)}${location.hash}`);
  };
  return (
    <label class="choices">
      Model{' '}
      <select value={shown} onChange={(event) => show(event.currentTarget.value)}>
        {models.map(({ id }) => (
          <option value={id}>{id}</option>
        ))}
      </select>
    </label>
  );
}

function Help({ measured }: { measured: Report | null }) {
  return (
    <section aria-labelledby="help">
      <h3 id="help">What would help</h3>
      {measured === null ? (
        <Notice title="Nothing measured of late">
          The report is of the last 30 seconds. Send a request and it is here a moment later.
        </Notice>
      ) : (
        <>
          <p class="advice">{measured.advice.text}</p>
          <div class="evidence" data-testid="bottleneck">
            <strong>{measured.bottleneck.stage}</strong> is the bottleneck:
            <ul>
              {measured.bottleneck.evidence.map((line) => (
                <li>{line}</li>
              ))}
            </ul>
          </div>
          <div class="scroll" tabIndex={0}>
            <table class="figures-table">
              <caption>Predicted, with the same sequences running</caption>
              <thead>
                <tr>
                  <th scope="col">change</th>
                  <th scope="col">tokens/s</th>
                  <th scope="col">per token</th>
                  <th scope="col">gain</th>
                </tr>
              </thead>
              <tbody>
                {measured.predictions.map(({ change, tokens_per_second, tpot_ms, gain, guessed }) => (
                  <tr class={gain >= 1.1 ? 'worth' : ''}>
                    <th scope="row">{change}</th>
                    <td>{digits(tokens_per_second)}</td>
                    <td>{ms(tpot_ms)}</td>
                    <td title={guessed ? 'at most: steps of one size only were seen' : undefined}>
                      × {gain.toFixed(2)}
                      {guessed && ' at most'}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}

function Happenings() {
  const all = useStore(changes);
  return (
    <section aria-labelledby="happenings">
      <h3 id="happenings">What has happened</h3>
      {all.length === 0 ? (
        <Notice title="Nothing yet">
          Replicas that come, drain or go, and sequences that move, are told here.
        </Notice>
      ) : (
        <ol class="happenings" aria-live="polite" aria-labelledby="happenings" tabIndex={0}>
          {all.slice(0, 40).map(({ id, change }) => (
            <li key={id} class={change.kind}>
              <time dateTime={new Date(change.at).toISOString()}>{clock(change.at)}</time>
              <span>{wordsOf(change)}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

const REASONS: Readonly<Record<string, string>> = {
  replica_lost: 'a replica was lost',
  step_timeout: 'a step took too long',
  draining: 'a replica drains',
  rebalanced: 'there was a better place',
  preempted: 'KV room ran out',
};

function wordsOf(change: Happened): string {
  switch (change.kind) {
    case 'replica_up':
      return `${change.stage}/${change.replica} is there`;
    case 'replica_draining':
      return `${change.stage}/${change.replica} drains`;
    case 'replica_gone':
      return `${change.stage}/${change.replica} is gone`;
    case 'sequences_moved':
      return `${plural(change.count, 'sequence')} moved: ${REASONS[change.reason] ?? change.reason}`;
  }
}
