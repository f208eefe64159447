import { memo } from 'preact/compat';
import { useState } from 'preact/hooks';
import { digits, ms, plural, shortReplica } from '../parts/format.js';
import { Icon } from '../parts/parts.js';
import { hrefOf } from '../state/place.js';
import { Markdown } from './markdown.js';
import type { Message, Receipt } from './conversations.js';

interface AnswerProps {
  readonly message: Message;
  readonly showGuessed: boolean;
  readonly onRetry: (() => void) | null;
}

/** One answer, as it comes, and below it how it came. */
export const Answer = memo(function Answer({ message, showGuessed, onRetry }: AnswerProps) {
  const { text, ending, error, receipt } = message;
  const isRunning = ending === 'running';
  return (
    <article class="answer" aria-busy={isRunning}>
      {showGuessed && receipt !== undefined ? (
        <Guessed text={text} guessed={receipt.guessed} />
      ) : (
        <Markdown text={text} isWhole={!isRunning} />
      )}
      {isRunning && text === '' && <span class="caret" role="img" aria-label="waiting for the first token" />}
      {ending === 'failed' && (
        <p class="failure" role="alert">
          {error}
        </p>
      )}
      {!isRunning && (
        <footer class="receipt">
          {receipt !== undefined && receipt.tokens > 0 && <Figures receipt={receipt} />}
          {END_WORDS[ending ?? ''] !== undefined && <span class="end">{END_WORDS[ending ?? '']}</span>}
          <span class="actions">
            {text !== '' && <Copy text={text} />}
            {onRetry !== null && (
              <button type="button" class="quiet" onClick={onRetry}>
                <Icon name="retry" /> Retry
              </button>
            )}
            {receipt !== undefined && receipt.requestId !== '' && (
              <a class="button quiet" href={hrefOf('requests', receipt.requestId)}>
                <Icon name="requests" /> Waterfall
              </a>
            )}
          </span>
        </footer>
      )}
    </article>
  );
});

const END_WORDS: Readonly<Record<string, string>> = {
  length: 'cut at the limit of tokens',
  stopped: 'stopped by you',
  failed: 'broken off',
};

function Figures({ receipt }: { receipt: Receipt }) {
  const { tokens, ttftMs, tokensPerSecond, promptTokens, cachedTokens, guessed } = receipt;
  return (
    <>
      <span class="figures">
        {tokensPerSecond !== null && (
          <span>
            <b>{digits(tokensPerSecond)}</b> tokens/s
          </span>
        )}
        <span>
          first token <b>{ms(ttftMs)}</b>
        </span>
        <span>{plural(tokens, 'token')}</span>
        {promptTokens > 0 && (
          <span>
            prompt {promptTokens}
            {cachedTokens > 0 && `, ${cachedTokens} cached`}
          </span>
        )}
        {guessed.length > 0 && <span>{plural(guessed.length, 'right guess', 'right guesses')}</span>}
      </span>
      <Route route={receipt.route} />
    </>
  );
}

/** `stage-0/ab12>stage-1/cd34`, as it was taken. */
export function Route({ route }: { route: string }) {
  if (route === '') return null;
  return (
    <span class="route" aria-label={`route: ${route}`}>
      {route.split('>').map((hop) => {
        const [stage = '', replica = ''] = hop.split('/');
        return (
          <span title={hop}>
            {stage.replace('stage-', 's')}
            <i>{shortReplica(replica)}</i>
          </span>
        );
      })}
    </span>
  );
}

/** The text as it came, with what came at once for it had been guessed. */
function Guessed({ text, guessed }: { text: string; guessed: Receipt['guessed'] }) {
  const parts = [];
  let at = 0;
  for (const [from, to] of guessed) {
    parts.push(
      text.slice(at, from),
      <mark title="guessed, and verified in one round">{text.slice(from, to)}</mark>,
    );
    at = to;
  }
  return (
    <p class="as-it-came">
      {parts}
      {text.slice(at)}
    </p>
  );
}

function Copy({ text }: { text: string }) {
  const [told, setTold] = useState('Copy');
  // There is none where the page came by plain HTTP from another machine.
  const copy = async (): Promise<void> => {
    const copied = await (navigator.clipboard as Clipboard | undefined)?.writeText(text).then(
      () => true,
      () => false,
    );
    setTold(copied ? 'Copied' : 'Not allowed here');
    setTimeout(() => setTold('Copy'), 1_500);
  };
  return (
    <button type="button" class="quiet" onClick={() => void copy()}>
      <Icon name="copy" /> <span aria-live="polite">{told}</span>
    </button>
  );
}
