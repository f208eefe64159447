import { useState } from 'preact/hooks';
import { digits, ms } from '../parts/format.js';
import { Meter, Notice } from '../parts/parts.js';
import { readMeasured, type Measured, type MeasuredArm, type TraceSpan } from './measured.js';

const MAX_BYTES = 64 << 20;
const MAX_SPANS = 400;

/** Draws what the measuring commands have written, from a file of this machine: nothing is sent anywhere. */
export function Results() {
  const [opened, setOpened] = useState<Measured | null>(null);
  const [problem, setProblem] = useState('');
  const open = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    try {
      if (file.size > MAX_BYTES) throw new Error('It is larger than 64 MiB.');
      setOpened(readMeasured(await file.text()));
      setProblem('');
    } catch (error) {
      setOpened(null);
      setProblem((error as Error).message);
    }
  };
  return (
    <section aria-labelledby="results">
      <h3 id="results">Results of measurements</h3>
      <p class="hint">
        A file of <code>npm run bench -- --json</code>, of an experiment's rows, or a trace as Jaeger has it.
        It stays in this browser.
      </p>
      <label class="button">
        Open a result
        <input
          type="file"
          accept=".json,application/json"
          class="unseen"
          onChange={(event) => void open(event.currentTarget.files?.[0])}
        />
      </label>
      {problem !== '' && (
        <Notice title="It cannot be drawn" tone="bad">
          {problem}
        </Notice>
      )}
      {opened?.kind === 'arms' && <Arms title={opened.title} arms={opened.arms} />}
      {opened?.kind === 'trace' && <Trace title={opened.title} spans={opened.spans} total={opened.total} />}
    </section>
  );
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
