import { connection, mesh } from '../state/mesh.js';
import { useStore } from '../state/store.js';
import { clock } from './format.js';
import { Notice } from './parts.js';

/** In the place of what the gateway has not told yet: why it is not there. */
export function Untold({ what, many = false }: { what: string; many?: boolean }) {
  const link = useStore(connection);
  if (link.kind === 'locked') {
    return (
      <Notice title={`${what} ${many ? 'are' : 'is'} for operators`}>
        {many ? 'They are' : 'It is'} shown with an operator's key.
      </Notice>
    );
  }
  if (link.kind === 'lost') {
    return (
      <Notice title="No word from the gateway" tone="bad">
        {link.reason}
      </Notice>
    );
  }
  return <Notice title={`Looking at ${what.toLowerCase()} …`} />;
}

/** Says of what is shown that it is no longer so for certain: the gateway tells nothing at the moment. */
export function Stale() {
  const link = useStore(connection);
  const state = useStore(mesh);
  if (state === null || link.kind === 'live' || link.kind === 'connecting') return null;
  return (
    <Notice title={`This is how it was at ${clock(state.at)}`} tone="bad">
      {link.kind === 'lost' ? link.reason : "It goes on with an operator's key."}
    </Notice>
  );
}
