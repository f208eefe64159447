import { digits, ms } from '../parts/format.js';
import { Meter } from '../parts/parts.js';
import type { MapCell, MapShape } from './map.js';
import type { Measured, MeasuredArm, TraceSpan } from './measured.js';

const MAX_SPANS = 400;

/** What a measuring command has written, drawn. */
export function Drawn({ measured }: { measured: Measured }) {
  switch (measured.kind) {
    case 'arms':
      return <Arms title={measured.title} arms={measured.arms} />;
    case 'trace':
      return <Trace title={measured.title} spans={measured.spans} total={measured.total} />;
    case 'map':
      return (
        <>
          <p class="hint">
            Requests per second and device that a split serves within its limits, over those of the whole
            model on the same device. Simulated; docs/experiment.md has what was run of it.
          </p>
          {measured.shapes.map((shape) => (
            <MapTable key={shape.shape} map={shape} />
          ))}
        </>
      );
  }
}

function Arms({ title, arms }: { title: string; arms: readonly MeasuredArm[] }) {
  const most = Math.max(...arms.map(({ tokensPerSecond }) => tokensPerSecond));
  return (
    <div class="scroll" tabIndex={0}>
      <table class="figures-table">
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">load</th>
            <th scope="col">arm</th>
            <th scope="col">tokens/s</th>
            <th scope="col" aria-label="as a bar" />
            <th scope="col">first token</th>
            <th scope="col">95th</th>
            <th scope="col">between</th>
            <th scope="col">requests</th>
            <th scope="col">failed</th>
          </tr>
        </thead>
        <tbody>
          {arms.map((one) => (
            <tr>
              <td>{one.load}</td>
              <th scope="row">{one.arm}</th>
              <td>{digits(one.tokensPerSecond)}</td>
              <td class="bar">
                <Meter share={one.tokensPerSecond / Math.max(most, 1e-9)} label={one.arm} strong />
              </td>
              <td>{ms(one.ttft)}</td>
              <td>{ms(one.ttft95)}</td>
              <td>{ms(one.tpot)}</td>
              <td>{one.requests}</td>
              <td>{one.failed}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Rows of devices and splits, columns of prompts and hops: the warmer, the more a split serves. */
function MapTable({ map: { shape, prompts, hops, rows } }: { map: MapShape }) {
  return (
    <div class="scroll" tabIndex={0}>
      <table class="figures-table map">
        <caption>{shape}</caption>
        <thead>
          <tr>
            <th scope="col" rowSpan={2}>
              device
            </th>
            <th scope="col" rowSpan={2}>
              served as
            </th>
            {prompts.map((prompt) => (
              <th scope="colgroup" colSpan={hops.length}>
                prompts of {prompt}, a hop of
              </th>
            ))}
          </tr>
          <tr>
            {prompts.flatMap((prompt) =>
              hops.map(({ ms: hop, name }) => (
                <th key={`${prompt} ${hop}`} scope="col">
                  {hop} ms{name !== '' && <small> {name}</small>}
                </th>
              )),
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ device, arm, cells }) => (
            <tr>
              <th scope="row">{device}</th>
              <th scope="row">{arm}</th>
              {cells.flat().map((cell) => (
                <td class={classOf(cell)} style={{ '--strength': strengthOf(cell) }}>
                  {wordOf(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What differs by no more is the same. */
const TIE = 0.05;

function classOf(cell: MapCell): string {
  if (cell === 'split') return 'only';
  if (typeof cell !== 'number') return '';
  if (cell > 1 + TIE) return 'more';
  return cell < 1 - TIE ? 'less' : '';
}

/** Twice as much, or nothing, is as strong as it gets. */
const strengthOf = (cell: MapCell): string =>
  `${typeof cell === 'number' ? Math.round(Math.min(1, Math.abs(cell - 1)) * 42) : 0}%`;

function wordOf(cell: MapCell): string {
  if (typeof cell === 'number') return `× ${cell.toFixed(2)}`;
  return cell === 'split' ? 'only split' : '–';
}

function Trace({ title, spans, total }: { title: string; spans: readonly TraceSpan[]; total: number }) {
  return (
    <figure class="trace">
      <figcaption>{title}</figcaption>
      <ol>
        {spans.slice(0, MAX_SPANS).map(({ name, process, start, length }) => (
          <li>
            <span>
              <small>{process}</small> {name}
            </span>
            <span class="lane">
              <i
                class="compute"
                style={{ left: `${(start / total) * 100}%`, width: `${(length / total) * 100}%` }}
              />
            </span>
            <b>{ms(length)}</b>
          </li>
        ))}
      </ol>
      {spans.length > MAX_SPANS && <p class="hint">{spans.length - MAX_SPANS} more are not drawn.</p>}
    </figure>
  );
}
