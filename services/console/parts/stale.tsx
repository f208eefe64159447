import { connection, mesh } from '../state/mesh.js';
import { useStore } from '../state/store.js';
import { clock } from './format.js';
import { Notice } from './parts.js';

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
