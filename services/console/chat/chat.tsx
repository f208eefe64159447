import { useEffect, useRef, useState } from 'preact/hooks';
import { ago } from '../parts/format.js';
import { Icon } from '../parts/parts.js';
import { Pipeline } from '../mesh/pipeline.js';
import { mesh } from '../state/mesh.js';
import { useStore } from '../state/store.js';
import { Answer } from './answer.js';
import {
  conversations,
  current,
  isKept,
  removeConversation,
  settings,
  startConversation,
  titleOf,
  type Conversation,
} from './conversations.js';
import { retry, say, stop } from './generate.js';
import { SettingsPanel } from './settings.js';

const SETTINGS_BUTTON = 'settings-button';

/** The conversation in the middle, earlier ones before it and the mesh beside it. */
export function Chat() {
  const all = useStore(conversations);
  const id = useStore(current);
  const [isSetting, setSetting] = useState(false);
  const conversation = all.find((one) => one.id === id) ?? all[0]!;
  const closeSettings = (): void => {
    setSetting(false);
    // What had the focus is gone with them.
    document.getElementById(SETTINGS_BUTTON)?.focus();
  };
  return (
    <div class="chat">
      <History all={all} current={conversation.id} />
      <section class="talk" aria-label="Conversation">
        <Messages conversation={conversation} />
        {isSetting && <SettingsPanel onClose={closeSettings} />}
        <Composer
          key={conversation.id}
          conversation={conversation}
          isSetting={isSetting}
          onSettings={() => setSetting(!isSetting)}
        />
      </section>
      <aside class="beside" aria-label="The mesh, live" tabIndex={0}>
        <Pipeline upright />
      </aside>
    </div>
  );
}

function History({ all, current: open }: { all: readonly Conversation[]; current: string }) {
  const kept = useStore(isKept);
  return (
    <nav class="history" aria-label="Conversations">
      <button type="button" class="wide" onClick={startConversation}>
        <Icon name="plus" /> New chat
      </button>
      <ul>
        {all
          .filter(({ messages }) => messages.length > 0)
          .map((one) => (
            <li class={one.id === open ? 'open' : ''}>
              <button type="button" onClick={() => current.set(one.id)} aria-current={one.id === open}>
                <span>{titleOf(one)}</span>
                <small>{ago(one.at, Date.now())}</small>
              </button>
              <button
                type="button"
                class="quiet bare"
                aria-label={`Delete ${titleOf(one)}`}
                onClick={() => {
                  // Nobody is left who could stop it.
                  stop(one.id);
                  removeConversation(one.id);
                }}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
      </ul>
      <p class="hint">
        {kept
          ? 'Kept in this browser only.'
          : 'This browser has no room for all of them: the oldest go with this page.'}
      </p>
    </nav>
  );
}

function Messages({ conversation }: { conversation: Conversation }) {
  const { id, messages } = conversation;
  const { showGuessed } = useStore(settings);
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  useEffect(() => {
    if (follows.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [messages]);
  useEffect(() => {
    follows.current = true;
  }, [id, messages.length]);
  const onScroll = (): void => {
    const { scrollHeight, scrollTop, clientHeight } = box.current!;
    follows.current = scrollHeight - scrollTop - clientHeight < 80;
  };
  if (messages.length === 0) return <Welcome conversation={id} />;
  const last = messages.at(-1);
  return (
    <div class="messages" ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-label="Messages">
      {messages.map((message) =>
        message.role === 'user' ? (
          <p key={message.id} class="said">
            {message.text}
          </p>
        ) : (
          <Answer
            key={message.id}
            message={message}
            showGuessed={showGuessed}
            onRetry={message === last ? () => void retry(id, message.id) : null}
          />
        ),
      )}
    </div>
  );
}

const SUGGESTIONS = [
  'Why is the sky blue? Answer in three sentences.',
  'Write a haiku about pipelines.',
  'List five uses of a paper clip, as a table.',
];

function Welcome({ conversation }: { conversation: string }) {
  const state = useStore(mesh);
  const layers = state?.stages.at(-1)?.end ?? 0;
  return (
    <div class="welcome">
      <h2>Ask, and watch it think</h2>
      <p>
        {state === null
          ? 'Each token goes through every stage of the mesh.'
          : `Each token of ${state.model} goes through ${layers} layers, served by ${state.stages.length} stages.`}
      </p>
      <ul>
        {SUGGESTIONS.map((text) => (
          <li>
            <button type="button" onClick={() => void say(conversation, text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Where there is no room for the list of them. */
function Earlier({ current: open }: { current: string }) {
  const all = useStore(conversations).filter(({ id, messages }) => id === open || messages.length > 0);
  if (all.length < 2) return null;
  return (
    <select
      class="only-narrow earlier"
      aria-label="Conversations"
      value={open}
      onChange={(event) => current.set(event.currentTarget.value)}
    >
      {all.map((one) => (
        <option value={one.id}>{titleOf(one)}</option>
      ))}
    </select>
  );
}

interface ComposerProps {
  readonly conversation: Conversation;
  readonly isSetting: boolean;
  readonly onSettings: () => void;
}

function Composer({ conversation: { id, messages }, isSetting, onSettings }: ComposerProps) {
  const [text, setText] = useState('');
  const isRunning = messages.at(-1)?.ending === 'running';
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const area = field.current!;
    area.style.height = 'auto';
    area.style.height = `${Math.min(area.scrollHeight, 220)}px`;
  }, [text]);
  const send = (): void => {
    if (text.trim() === '' || isRunning) return;
    setText('');
    void say(id, text);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    } else if (event.key === 'Escape' && isRunning) stop(id);
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={field}
        rows={1}
        value={text}
        placeholder="Ask something"
        aria-label="Your message"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div class="tools">
        <button
          id={SETTINGS_BUTTON}
          type="button"
          class="quiet"
          aria-expanded={isSetting}
          onClick={onSettings}
        >
          <Icon name="settings" /> Settings
        </button>
        <button type="button" class="quiet only-narrow" onClick={startConversation}>
          <Icon name="plus" /> New
        </button>
        <Earlier current={id} />
        <span class="hint only-wide">Enter sends, Shift+Enter breaks the line, Escape stops</span>
        {isRunning ? (
          <button type="button" class="primary" onClick={() => stop(id)}>
            <Icon name="stop" /> Stop
          </button>
        ) : (
          <button type="submit" class="primary" disabled={text.trim() === ''}>
            Send <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}
