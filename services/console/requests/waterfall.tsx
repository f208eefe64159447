import { memo } from 'preact/compat';
import { useState } from 'preact/hooks';
import type { RoundView, TrailView } from '../../gateway/telemetry/round-trail.js';
import type { Timings } from '../../gateway/telemetry/timings.js';
import { digits, ms, plural } from '../parts/format.js';
import { Notice } from '../parts/parts.js';
import { chunkRows, lanesOf, numberOf, type Lane } from './layout.js';

const ZOOMS = [1, 4, 16, 64] as const;
const TICKS = 5;

interface WaterfallProps {
  readonly timings: Timings;
  readonly trail: TrailView;
}

/** A lane for the gateway and one for each stage, from when the request came until it ended. */
export function Waterfall({ timings, trail }: WaterfallProps) {
  const [zoom, setZoom] = useState<number>(1);
  const { rounds, routes, skipped_rounds: skipped } = trail;
  if (rounds.length === 0) return <Notice title="No round has come back yet" />;
  const end = rounds.at(-1)!;
  const total = Math.max(timings.total_ms, end.start_ms + end.total_ms);
  const lanes = lanesOf(timings, rounds, routes, skipped);
  const isRerouted = lanes.some(({ bars }) => bars.some(({ kind }) => kind === 'reroute'));
  return (
    <figure class="waterfall">
      <figcaption>
        <span class="key">
          <i class="compute" /> computing <i class="queue" /> waiting <i class="gateway" /> gateway{' '}
          {isRerouted && (
            <>
              <i class="reroute" /> another route{' '}
            </>
          )}
          <span class="only-wide">— what is left between the lanes is on the way</span>
        </span>
        <span class="zoom" role="group" aria-label="Zoom">
          {ZOOMS.map((each) => (
            <button type="button" class="quiet" aria-pressed={zoom === each} onClick={() => setZoom(each)}>
              × {each}
            </button>
          ))}
        </span>
      </figcaption>
      <div class="lanes-box">
        <div class="lane-names" aria-hidden="true">
          <span class="axis-space" />
          {lanes.map(({ name }) => (
            <span>{name}</span>
          ))}
        </div>
        <div
          class="lanes"
          tabIndex={0}
          role="group"
          aria-label="Rounds over time; the table below has the figures"
        >
          <div class="lanes-wide" style={{ width: `${zoom * 100}%` }}>
            <div class="axis" aria-hidden="true">
              {Array.from({ length: TICKS * zoom }, (_, tick) => (
                <span style={{ left: `${(tick / (TICKS * zoom)) * 100}%` }}>
                  {ms((tick / (TICKS * zoom)) * total)}
                </span>
              ))}
            </div>
            <Lanes lanes={lanes} total={total} />
          </div>
        </div>
      </div>
      {skipped > 0 && <p class="hint">{plural(skipped, 'round')} in the middle were not kept.</p>}
      <Table trail={trail} />
    </figure>
  );
}

const Lanes = memo(function Lanes({ lanes, total }: { lanes: readonly Lane[]; total: number }) {
  return (
    <>
      {lanes.map(({ name, bars }) => (
        <div class="lane" data-lane={name}>
          {bars.map(({ kind, start, length, label }) => (
            <i
              class={kind}
              title={`${label}, ${ms(length)}`}
              style={{ left: `${(start / total) * 100}%`, width: `${(length / total) * 100}%` }}
            />
          ))}
        </div>
      ))}
    </>
  );
});

/** The same in figures. */
function Table({ trail: { rounds, routes, skipped_rounds: skipped } }: { trail: TrailView }) {
  const stages = routes.at(-1)?.hops ?? [];
  return (
    <details>
      <summary>{plural(rounds.length, 'round')}, in figures</summary>
      <div class="scroll" tabIndex={0}>
        <table class="figures-table">
          <caption>
            Milliseconds, computing and waiting by each stage's own clock; of a prompt, since its end came
          </caption>
          <thead>
            <tr>
              <th scope="col">round</th>
              <th scope="col">from</th>
              <th scope="col">took</th>
              <th scope="col">tokens</th>
              {stages.map(({ appId }) => (
                <th scope="col">{appId}</th>
              ))}
              <th scope="col">on the way</th>
            </tr>
          </thead>
          <tbody>
            {rounds.map((round, index) => (
              <>
                {chunkRows(round).map(({ rows, computed }, chunk) => (
                  <tr class="chunk">
                    <th scope="row">chunk {chunk + 1}</th>
                    <td />
                    <td />
                    <td>{plural(rows, 'row')}</td>
                    {computed.map((ms) => (
                      <td>{ms === null ? '–' : digits(ms)}</td>
                    ))}
                    <td />
                  </tr>
                ))}
                <RoundRow round={round} number={numberOf(index, rounds.length, skipped)} />
              </>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function RoundRow({ round, number }: { round: RoundView; number: number }) {
  const { phase, start_ms, total_ms, tokens, stages } = round;
  const taken = stages.reduce((sum, each) => sum + each.queue_ms + each.compute_ms, 0);
  return (
    <tr class="round">
      <th scope="row">{phase === 'prefill' ? 'prompt' : number}</th>
      <td>{digits(start_ms)}</td>
      <td>{digits(total_ms)}</td>
      <td>{tokens}</td>
      {stages.map(({ queue_ms, compute_ms }) => (
        <td>
          {digits(compute_ms)}
          {queue_ms > 0 && <small> + {digits(queue_ms)}</small>}
        </td>
      ))}
      <td>{digits(Math.max(0, total_ms - taken))}</td>
    </tr>
  );
}
