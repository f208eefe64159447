import type { Topology } from '../../../services/gateway/generation/backend.js';
import type { Report, StageReport } from '../../../services/gateway/report/report.js';
import type { GatewayClient } from '../local/gateway-client.js';
import { columns, percent } from './tables.js';

const BAR_WIDTH = 40;

/** A report for a terminal: where a token's time goes, how busy each stage is, and what would help. */
export function reportText(report: Report): string {
  const { window_s, sequences, tokens_per_second, tpot_ms, ttft_ms } = report;
  return [
    `${report.model}, split ${report.split.join() || 'none'}, last ${window_s.toFixed(0)} s: ` +
      `${sequences.toFixed(1)} sequences running, ${tokens_per_second} tokens/s, ` +
      (ttft_ms === null ? '' : `${ttft_ms} ms to the first token, `) +
      `${tpot_ms} ms per further one`,
    timeOfToken(report),
    stageTable(report),
    `Bottleneck: ${report.bottleneck.stage}\n${report.bottleneck.evidence.map((line) => `  ${line}`).join('\n')}`,
    predictions(report),
    `${report.advice.text} On which devices splitting pays: the map in docs/experiment.md.`,
  ].join('\n\n');
}

/** A bar for each stage and for the hops: # computing, . waiting, - on the way. */
function timeOfToken({ stages, hops }: Report): string {
  const round =
    stages.reduce((sum, { decode }) => sum + decode.queue_ms + decode.compute_ms, 0) + hops.decode_ms;
  const length = (ms: number): number => Math.round((ms / Math.max(round, 1e-9)) * BAR_WIDTH);
  const rows = stages.map(({ stage, decode: { queue_ms, compute_ms } }) => [
    stage,
    '#'.repeat(length(compute_ms)) + '.'.repeat(length(queue_ms)),
    `${compute_ms.toFixed(2)} ms computing, ${queue_ms.toFixed(2)} ms waiting`,
  ]);
  const hop = ['hops', '-'.repeat(length(hops.decode_ms)), `${hops.decode_ms.toFixed(2)} ms on the way`];
  return `A decode round of ${round.toFixed(2)} ms:\n${columns([...rows, hop])}`;
}

function stageTable({ stages }: Report): string {
  const head = ['stage', 'replicas', 'of TPOT', 'of TTFT', 'hop ms', 'batch', 'step ms', 'busy', 'headroom'];
  return columns([head, ...stages.map(stageRow)]);
}

const stageRow = (stage: StageReport): string[] => [
  stage.stage,
  String(stage.replicas.length),
  percent(stage.tpot_share),
  percent(stage.ttft_share),
  stage.decode.hop_ms.toFixed(2),
  stage.batch_size.toFixed(1),
  stage.step_ms.toFixed(2),
  percent(stage.utilisation),
  `${stage.headroom.toFixed(1)} x`,
];

function predictions({ predictions: all }: Report): string {
  const rows = all.map(({ change, tokens_per_second, tpot_ms, gain, guessed }) => [
    change,
    `${tokens_per_second.toFixed(1)} tokens/s`,
    `${tpot_ms.toFixed(1)} ms per token`,
    `x ${gain.toFixed(2)}${guessed ? ' at most (steps of one size only were seen)' : ''}`,
  ]);
  return `Predicted, with the same sequences running (docs/queueing-model.md):\n${columns(rows)}`;
}

const MEBIBYTE = 1 << 20;

/** The stages and their replicas, a line each, in columns. */
export function topologyTable({ stages }: Topology): string {
  const rows = stages.flatMap(({ app_id, start, end, head, replicas }) =>
    replicas.map((replica) => [
      app_id,
      `${start}-${end - 1}${head ? ' + head' : ''}`,
      replica.id,
      String(replica.pid),
      replica.state,
      String(replica.kv_capacity),
      (replica.rss_bytes / MEBIBYTE).toFixed(0),
    ]),
  );
  return columns([['stage', 'layers', 'replica', 'pid', 'state', 'KV tokens', 'RSS MiB'], ...rows]);
}

const PERIOD_MS = 1_000;
const CLEAR = '\r\x1b[K';

interface StatusLine {
  /** Prints a line that stays. */
  say(line: string): void;
  end(): void;
}

/** Keeps one line with what the system does at the bottom of a terminal, below whatever else is said. */
export function showStatus(gateway: GatewayClient, output: NodeJS.WriteStream): StatusLine {
  if (!output.isTTY) return { say: (line) => output.write(`${line}\n`), end: () => undefined };
  let last: { tokens: number; at: number } | null = null;
  const draw = async (): Promise<void> => {
    const metric = await gateway.metrics();
    const now = { tokens: metric('generation_tokens_total'), at: performance.now() };
    const rate = last === null ? 0 : ((now.tokens - last.tokens) / (now.at - last.at)) * 1_000;
    last = now;
    const running = metric('requests_running');
    const waiting = metric('requests_waiting');
    output.write(
      `${CLEAR}${running} running, ${waiting} waiting, ${rate.toFixed(0)} tokens/s (Ctrl-C stops)`,
    );
  };
  // A gateway that does not answer now is reported by whoever watches its process.
  const timer = setInterval(() => void draw().catch(() => undefined), PERIOD_MS);
  return {
    say: (line) => output.write(`${CLEAR}${line}\n`),
    end: () => {
      clearInterval(timer);
      output.write(CLEAR);
    },
  };
}
