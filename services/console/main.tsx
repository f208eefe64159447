import { render } from 'preact';
import { useEffect, useErrorBoundary } from 'preact/hooks';
import './styles/base.css';
import './styles/chat.css';
import './styles/mesh.css';
import './styles/figures.css';
import './styles/results.css';
import { Chat } from './chat/chat.js';
import { Load } from './load/load.js';
import { Mesh } from './mesh/mesh.js';
import { plural, shortReplica } from './parts/format.js';
import { KeyDialog } from './parts/key-dialog.js';
import { Icon, Notice } from './parts/parts.js';
import { Requests } from './requests/requests.js';
import { wanted } from './state/api.js';
import { connection, listen, mesh } from './state/mesh.js';
import { hrefOf, place, VIEWS, type View as ViewName } from './state/place.js';
import { useStore } from './state/store.js';

const NAMES: Readonly<Record<ViewName, string>> = {
  chat: 'Chat',
  mesh: 'Mesh',
  requests: 'Requests',
  load: 'Load',
};

const PAGES = { chat: Chat, mesh: Mesh, requests: Requests, load: Load } as const;

function Console() {
  const { view } = useStore(place);
  useEffect(() => {
    document.title = `${NAMES[view]} · Layermesh`;
  }, [view]);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={hrefOf('chat')}>
          <img src="console/icon.svg" alt="" width="22" height="22" />
          <h1>Layermesh</h1>
        </a>
        <nav aria-label="Views">
          {VIEWS.map((each) => (
            <a href={hrefOf(each)} aria-current={each === view ? 'page' : undefined}>
              <Icon name={each} />
              {NAMES[each]}
            </a>
          ))}
        </nav>
        <Standing />
      </header>
      <main id="main" tabIndex={-1}>
        <View key={view} view={view} />
      </main>
      <KeyDialog />
    </>
  );
}

/** What goes wrong in one view leaves the others. */
function View({ view }: { view: ViewName }) {
  const [error, again] = useErrorBoundary() as [unknown, () => void];
  const Page = PAGES[view];
  if (error === undefined) return <Page />;
  return (
    <div class="page">
      <Notice title="This view has failed" tone="bad">
        {error instanceof Error ? error.message : 'for no reason that it told'}
      </Notice>
      <button type="button" onClick={again}>
        Show it again
      </button>
    </div>
  );
}

/** `#main` would be taken for a view. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

/** Which gateway one looks at, and whether it still tells. */
function Standing() {
  const link = useStore(connection);
  const state = useStore(mesh);
  const replicas = state?.stages.reduce((sum, stage) => sum + stage.replicas.length, 0) ?? 0;
  const words = {
    connecting: 'looking …',
    live: state === null ? 'live' : `${state.model}, ${plural(replicas, 'replica')}`,
    locked: 'needs a key',
    lost: 'no word from the gateway',
  }[link.kind];
  return (
    <p class={`standing ${link.kind}`} role="status">
      <i aria-hidden="true" />
      <span title={link.kind === 'lost' ? link.reason : undefined}>{words}</span>
      {state !== null && (
        <small title={`This gateway is ${state.gateway}; it shows all replicas`}>
          gateway {shortReplica(state.gateway)}
        </small>
      )}
      {link.kind === 'locked' && (
        <button type="button" class="quiet" onClick={() => wanted.set('operate')}>
          <Icon name="key" /> Key
        </button>
      )}
    </p>
  );
}

void listen();
render(<Console />, document.getElementById('console')!);
