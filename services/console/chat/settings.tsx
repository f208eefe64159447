import { Icon } from '../parts/parts.js';
import { useModels } from '../state/models.js';
import { useStore } from '../state/store.js';
import { DEFAULTS, settings, type Settings } from './conversations.js';

type TextField = Exclude<keyof Settings, 'showGuessed' | 'model' | 'system'>;

const FIELDS: readonly { name: TextField; label: string; step: string; min: string; max?: string }[] = [
  { name: 'temperature', label: 'Temperature', step: '0.1', min: '0', max: '2' },
  { name: 'topP', label: 'Top p', step: '0.05', min: '0', max: '1' },
  { name: 'maxTokens', label: 'Max tokens', step: '1', min: '1' },
  { name: 'seed', label: 'Seed', step: '1', min: '-1' },
];

/** What is sent with every message; a field left empty is the model's own default. */
export function SettingsPanel({ onClose }: { onClose: () => void }) {
  const set = useStore(settings);
  const models = useModels();
  const change = (fields: Partial<Settings>): void => settings.update((old) => ({ ...old, ...fields }));
  return (
    <section class="settings" aria-label="Settings">
      <header>
        <h2>Settings</h2>
        <button type="button" class="quiet" onClick={() => settings.set(DEFAULTS)}>
          Defaults
        </button>
        <button type="button" class="quiet bare" aria-label="Close settings" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <label class="wide">
        System prompt
        <textarea
          rows={2}
          value={set.system}
          placeholder="none"
          onInput={(event) => change({ system: event.currentTarget.value })}
        />
      </label>
      <label>
        Model
        <select value={set.model} onChange={(event) => change({ model: event.currentTarget.value })}>
          <option value="">the default</option>
          {models.map(({ id }) => (
            <option value={id}>{id}</option>
          ))}
        </select>
      </label>
      {FIELDS.map(({ name, label, ...range }) => (
        <label>
          {label}
          <input
            type="number"
            inputMode="decimal"
            value={set[name]}
            placeholder="default"
            {...range}
            onInput={(event) => change({ [name]: event.currentTarget.value })}
          />
        </label>
      ))}
      <label class="check">
        <input
          type="checkbox"
          checked={set.showGuessed}
          onChange={(event) => change({ showGuessed: event.currentTarget.checked })}
        />
        Show what was guessed right
      </label>
    </section>
  );
}
