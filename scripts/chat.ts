import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { ServingError } from '../services/lib/errors/serving-error.js';
import { streamChat, type ChatMessage } from './lib/chat-stream.js';
import { runCommand, stopSignal } from './lib/command.js';
import { portOption } from './lib/port-option.js';

await runCommand(
  new Command('chat')
    .description('Streams an answer of the running system; without text, a conversation.')
    .argument('[text...]', 'what to say')
    .addOption(portOption())
    .action(async (words: string[], { port }: { port: number }) => {
      const url = `http://127.0.0.1:${port}`;
      const signal = stopSignal();
      if (words.length > 0) await say(url, [{ role: 'user', content: words.join(' ') }], signal);
      else await converse(url, signal);
    }),
);

/** Prints the answer as it comes, and returns it. */
async function say(url: string, messages: readonly ChatMessage[], signal: AbortSignal): Promise<string> {
  let answer = '';
  for await (const text of streamChat(url, messages, signal)) {
    answer += text;
    process.stdout.write(text);
  }
  process.stdout.write('\n');
  return answer;
}

/** Until the end of the input (Ctrl-D). A failed turn is reported, and left out of the conversation. */
async function converse(url: string, signal: AbortSignal): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
  signal.addEventListener('abort', () => terminal.close());
  terminal.on('SIGINT', () => terminal.close());
  const messages: ChatMessage[] = [];
  terminal.prompt();
  for await (const content of terminal) {
    const question: ChatMessage = { role: 'user', content };
    try {
      const answer = await say(url, [...messages, question], signal);
      messages.push(question, { role: 'assistant', content: answer });
    } catch (error) {
      signal.throwIfAborted();
      console.error(ServingError.from(error).toLine());
    }
    terminal.prompt();
  }
}
