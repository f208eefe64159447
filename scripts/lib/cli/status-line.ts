import type { GatewayClient } from '../local/gateway-client.js';

const PERIOD_MS = 1_000;
const CLEAR = '\r\x1b[K';

export interface StatusLine {
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
