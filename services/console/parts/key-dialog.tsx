import { useEffect, useRef, useState } from 'preact/hooks';
import { keys, wanted, type Right } from '../state/api.js';
import { useStore } from '../state/store.js';
import { Icon } from './parts.js';

const WORDS: Readonly<Record<Right, { title: string; text: string }>> = {
  use: { title: 'This gateway wants an API key', text: 'It is needed to ask the model anything.' },
  operate: {
    title: "An operator's key, please",
    text: 'How the mesh is and does, and which requests it has, is shown to operators only. The chat works without.',
  },
};

/** Asks for the key that is wanted. It stays in this page's memory, and goes when the page does. */
export function KeyDialog() {
  const right = useStore(wanted);
  const known = useStore(keys);
  const dialog = useRef<HTMLDialogElement>(null);
  const [key, setKey] = useState('');
  useEffect(() => {
    if (right !== null && dialog.current?.open === false) dialog.current.showModal();
  }, [right]);
  if (right === null) return null;
  const { title, text } = WORDS[right];
  // The browser gives the focus back to where it was; of a dialog that is only taken away it does not.
  const close = (): void => dialog.current?.close();
  const closed = (): void => {
    setKey('');
    wanted.set(null);
  };
  return (
    <dialog ref={dialog} onClose={closed} aria-labelledby="key-title">
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          keys.set({ ...known, [right]: key.trim() });
          close();
        }}
      >
        <h2 id="key-title">
          <Icon name="key" /> {title}
        </h2>
        <p>{known[right] === '' ? text : 'The key that you gave is not accepted.'}</p>
        <label class="wide">
          Key
          <input
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <p class="hint">It is kept in the memory of this page and nowhere else.</p>
        <div class="tools">
          <button type="button" class="quiet" onClick={close}>
            Not now
          </button>
          <button type="submit" class="primary" disabled={key.trim() === ''}>
            Use it
          </button>
        </div>
      </form>
    </dialog>
  );
}
