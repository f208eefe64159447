import { announceGateway } from '../../../services/gateway/announce-gateway.js';
import type { AnnounceOptions, Announcement } from '../../../services/lib/mesh/types.js';
import { eventually } from '../../support/eventually.js';

const record = { appId: 'gateway', replica: 'g', address: 'h:1', draining: false };

describe("a gateway's entry in the registry", () => {
  it('is made beside everything else, and taken away', async () => {
    const entries = new Set<string>();
    const announce = (given: typeof record): Promise<Announcement> => {
      entries.add(given.replica);
      const withdraw = () => Promise.resolve(void entries.delete(given.replica));
      return Promise.resolve({ withdraw, update: () => Promise.resolve() });
    };
    const withdraw = announceGateway({ announce }, record, { warn: () => undefined });
    await eventually('the entry', () => entries.size === 1);
    await withdraw();
    expect(entries.size).toBe(0);
  });

  it('is no longer tried for when the gateway stops', async () => {
    const announce = (_record: typeof record, { signal }: AnnounceOptions = {}): Promise<Announcement> =>
      new Promise((_, reject) => signal!.addEventListener('abort', () => reject(new Error('stopped'))));
    await announceGateway({ announce }, record, { warn: () => undefined })();
  });
});
