import { freePorts } from '../../../scripts/lib/local/processes/ports.js';

it('gives no port out twice, though nobody listens on it yet', async () => {
  // A tenth of the range: without a memory, some of so many groups would be certain to overlap.
  const groups = await Promise.all(Array.from({ length: 200 }, () => freePorts(6)));
  const ports = groups.flat();
  expect(new Set(ports).size).toBe(ports.length);
});
