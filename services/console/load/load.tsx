import { Notice } from '../parts/parts.js';
import { Stale, Untold } from '../parts/stale.js';
import { connection, load, mesh, type LoadPoint } from '../state/mesh.js';
import { useStore } from '../state/store.js';
import { Chart } from './chart.js';
import { Results } from './results.js';

const STEP_SECONDS = 5;

/** The last hour of this gateway, and results that were measured with it. */
export function Load() {
  const points = useStore(load);
  const state = useStore(mesh);
  const link = useStore(connection);
  const at = points.map((point) => Math.round(point.at / 1000));
  const of = (pick: (point: LoadPoint) => number | null): (number | null)[] => points.map(pick);
  const stages = state?.stages.map(({ app_id }) => app_id) ?? [];
  const strengths = (index: number): number => 1 - (0.6 * index) / Math.max(1, stages.length - 1);
  return (
    <div class="page">
      <header class="title">
        <h2>Load</h2>
        <p class="sub">The last hour of this gateway, a point every {STEP_SECONDS} seconds.</p>
      </header>
      {state === null ? <Untold what="The load" /> : <Stale />}
      {points.length < 2 && state !== null && link.kind === 'live' && (
        <Notice title="The first points are on their way">There is one every {STEP_SECONDS} seconds.</Notice>
      )}
      {points.length >= 2 && (
        <div class="charts">
          <Chart
            title="Tokens per second"
            unit=""
            at={at}
            series={[{ label: 'generated', values: of((point) => point.tokens_per_second), strength: 1 }]}
          />
          <Chart
            title="Time to the first token"
            unit="ms"
            at={at}
            series={[
              { label: 'median', values: of((point) => point.ttft_p50), strength: 1 },
              { label: '95th', values: of((point) => point.ttft_p95), strength: 0.5 },
            ]}
          />
          <Chart
            title="Between tokens"
            unit="ms"
            at={at}
            series={[
              { label: 'median', values: of((point) => point.itl_p50), strength: 1 },
              { label: '95th', values: of((point) => point.itl_p95), strength: 0.5 },
            ]}
          />
          <Chart
            title="Requests"
            unit=""
            at={at}
            series={[
              { label: 'running', values: of((point) => point.running), strength: 1, stepped: true },
              { label: 'waiting', values: of((point) => point.waiting), strength: 0.5, stepped: true },
            ]}
          />
          <Chart
            title="Failed or refused"
            unit=""
            at={at}
            series={[
              {
                label: `in ${STEP_SECONDS} s`,
                values: of((point) => point.failed),
                strength: 1,
                stepped: true,
              },
            ]}
          />
          <Chart
            title="Busy"
            unit="%"
            at={at}
            series={stages.map((label, index) => ({
              label,
              values: of((point) => (point.busy[index] ?? 0) * 100),
              strength: strengths(index),
            }))}
          />
          <Chart
            title="Replicas"
            unit=""
            at={at}
            series={stages.map((label, index) => ({
              label,
              values: of((point) => point.replicas[index] ?? 0),
              strength: strengths(index),
              stepped: true,
            }))}
          />
        </div>
      )}
      <Results />
    </div>
  );
}
