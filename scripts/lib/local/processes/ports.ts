import { createServer } from 'node:net';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';

/**
 * Below every system's ephemeral range, so that no outgoing connection takes a port before its owner binds it. Test
 * files that run at once are given a part each (test/support/environment.js).
 */
const [FIRST, LAST] = (process.env['LAYERMESH_PORT_RANGE'] ?? '20000-32000').split('-').map(Number) as [
  number,
  number,
];

/**
 * What this process has given out already: its owner may not listen yet, so the port still looks free. Never
 * given back, for a restarted process takes its old ports; the range outlasts any system on one machine.
 */
const givenOut = new Set<number>();

/** `count` ports that nothing listens on, from a random place so that two systems rarely look at the same ones. */
export async function freePorts(count: number): Promise<number[]> {
  const size = LAST - FIRST;
  const offset = Math.floor(Math.random() * size);
  const found: number[] = [];
  for (let step = 0; step < size && found.length < count; step++) {
    const port = FIRST + ((offset + step) % size);
    if (givenOut.has(port)) continue;
    givenOut.add(port);
    if (await isFree(port)) found.push(port);
  }
  if (found.length < count) {
    throw new ServingError('port_in_use', `no ${count} ports are free from ${FIRST} to ${LAST}`);
  }
  return found;
}

export const freePort = async (): Promise<number> => (await freePorts(1))[0]!;

export function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
