import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { streamChat, type ChatMessage, type ChatRequest } from '../lib/cli/chat-stream.js';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { wholeNumber } from '../lib/cli/options.js';
import { runningPortOption } from '../lib/local/run/running.js';

await runCommand(
  new Command('chat')
    .description('Streams an answer of the running system; without text, a conversation.')
    .argument('[text...]', 'what to say')
    .addOption(runningPortOption())
    .option(
      '--max-tokens <n>',
      'longest answer (default: what the context has room for)',
      wholeNumber(1, 1 << 20),
    )
    .action(async (words: string[], { port, maxTokens }: { port: number; maxTokens?: number }) => {
      const url = `http://127.0.0.1:${port}`;
      const signal = stopSignal();
      const say: Say = (messages) => print(url, { messages, ...(maxTokens && { maxTokens }) }, signal);
      if (words.length > 0) await say([{ role: 'user', content: words.join(' ') }]);
      else await converse(say, signal);
    }),
);

type Say = (messages: readonly ChatMessage[]) => Promise<string>;

/** Prints the answer as it comes, and returns it. */
async function print(url: string, request: ChatRequest, signal: AbortSignal): Promise<string> {
  let answer = '';
  for await (const text of streamChat(url, request, signal)) {
    answer += text;
    process.stdout.write(text);
  }
  process.stdout.write('\n');
  return answer;
}

/** Until the end of the input (Ctrl-D). A failed turn is reported, and left out of the conversation. */
async function converse(say: Say, signal: AbortSignal): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
  signal.addEventListener('abort', () => terminal.close());
  terminal.on('SIGINT', () => terminal.close());
  const messages: ChatMessage[] = [];
  terminal.prompt();
  for await (const content of terminal) {
    const question: ChatMessage = { role: 'user', content };
    try {
      const answer = await say([...messages, question]);
      messages.push(question, { role: 'assistant', content: answer });
    } catch (error) {
      signal.throwIfAborted();
      console.error(ServingError.from(error).toLine());
    }
    terminal.prompt();
  }
}
