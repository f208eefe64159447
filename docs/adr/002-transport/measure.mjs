// The numbers of ADR 002: `node docs/adr/002-transport/measure.mjs --daprd PATH [--rounds 7] [--seconds 0.6]`.
// It needs `npm run build` and `npm install --no-save @connectrpc/connect@2.1.2 @connectrpc/connect-node@2.1.2`.
// One server and one client process a variant, one caller's and one callee's sidecar a variant, all kept for the
// whole run; the variants take turns within every round, so that what else the machine does meets them all.
import { fork, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { REFUSAL } from './transports.mjs';

const WINDOW = 4 << 20;
const VARIANTS = [
  { name: 'grpc-js', library: 'grpc-js' },
  { name: 'grpc-js, client window', library: 'grpc-js', clientWindow: WINDOW },
  { name: 'grpc-js, server window', library: 'grpc-js', serverWindow: WINDOW },
  { name: 'grpc-js, both windows', library: 'grpc-js', clientWindow: WINDOW, serverWindow: WINDOW },
  { name: 'connect', library: 'connect' },
  { name: 'connect, both windows', library: 'connect', clientWindow: WINDOW, serverWindow: WINDOW },
];
/** The variant whose sidecar is reached over a Unix domain socket as well; only grpc-js can dial one. */
const SOCKET_VARIANT = 'grpc-js';
const PATHS = ['direct', 'dapr', 'dapr, socket'];

/** Rows of 576 float32: one, a decode step of 16 sequences, a prefill chunk, the largest frame. */
const SHAPES = [
  { label: '2304 B', items: 1, bytes: 2304 },
  { label: '36 KiB', items: 16, bytes: 16 * 2304 },
  { label: '288 KiB', items: 1, bytes: 128 * 2304 },
  { label: '1 MiB', items: 1, bytes: 455 * 2304 },
];
const IN_FLIGHT = [1, 8];
const START_PATIENCE_MS = 60_000;
const COMMAND_PATIENCE_MS = 60_000;
const EXIT_PATIENCE_MS = 5_000;
const CLOCK_TICKS_PER_SECOND = 100;

const { values } = parseArgs({
  options: {
    daprd: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '0.6' },
  },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
if (values.daprd === undefined || !(rounds >= 1) || !(seconds > 0)) {
  console.error('usage: node measure.mjs --daprd PATH [--rounds N] [--seconds S]');
  process.exit(2);
}

const folder = await mkdtemp(join(tmpdir(), 'layermesh-transport-'));
const children = [];
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => void stopAll().then(() => process.exit(1)));
try {
  const routes = await startAll();
  await checkRefusals(routes);
  const rows = await measureAll(routes);
  const memory = await Promise.all(routes.map(async (route) => ({ route, rss: await memoryOf(route) })));
  await report(rows, memory, routes[0].client);
} finally {
  await stopAll();
}

/** A route is a way from a client process to the server process of its variant. */
async function startAll() {
  const routes = [];
  const config = join(folder, 'config.yaml');
  await writeFile(config, configuration());
  for (const [index, variant] of VARIANTS.entries()) {
    const [server, client] = [startPeer(), startPeer()];
    const port = await server.ask('serve', variant);
    const base = { ...variant, server, client };
    const through = (address) => ({
      address,
      metadata: { 'dapr-app-id': `callee-${index}`, 'dapr-stream': 'true' },
    });
    routes.push({
      ...base,
      path: 'direct',
      target: { address: `127.0.0.1:${port}`, metadata: {} },
      sidecars: [],
    });
    const callee = await startSidecar({ appId: `callee-${index}`, appPort: port, config });
    const caller = await startSidecar({ appId: `caller-${index}`, config });
    routes.push({ ...base, path: 'dapr', target: through(caller.address), sidecars: [caller, callee] });
    if (variant.name !== SOCKET_VARIANT) continue;
    const socketCaller = await startSidecar({ appId: `socket-${index}`, config, socketFolder: folder });
    routes.push({
      ...base,
      path: 'dapr, socket',
      target: through(socketCaller.address),
      sidecars: [socketCaller, callee],
    });
  }
  return PATHS.flatMap((path) => routes.filter((route) => route.path === path));
}

function configuration() {
  return JSON.stringify({
    apiVersion: 'dapr.io/v1alpha1',
    kind: 'Configuration',
    metadata: { name: 'transport' },
    spec: {
      nameResolution: {
        component: 'sqlite',
        version: 'v1',
        configuration: { connectionString: join(folder, 'names.sqlite') },
      },
      features: [{ name: 'HotReload', enabled: false }],
      tracing: { samplingRate: '0' },
    },
  });
}

async function startSidecar({ appId, appPort, config, socketFolder }) {
  const [http, grpc, internal, metrics] = await freePorts(4);
  const options = {
    'app-id': appId,
    'app-protocol': 'grpc',
    'app-channel-address': '127.0.0.1',
    ...(appPort !== undefined && { 'app-port': appPort }),
    'dapr-http-port': http,
    'dapr-grpc-port': grpc,
    'dapr-internal-grpc-port': internal,
    'metrics-port': metrics,
    'metrics-listen-address': '127.0.0.1',
    'dapr-listen-addresses': '127.0.0.1',
    'dapr-internal-grpc-listen-address': '127.0.0.1',
    ...(socketFolder !== undefined && { 'unix-domain-socket': socketFolder }),
    'max-body-size': '16Mi',
    'dapr-graceful-shutdown-seconds': 1,
    'disable-init-endpoints': 'config,subscribe',
    'log-level': 'error',
    config,
  };
  const logPath = join(folder, `${appId}.log`);
  const log = openSync(logPath, 'w');
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(values.daprd, args, { cwd: folder, stdio: ['ignore', log, log] });
  closeSync(log);
  child.once('error', (error) => console.error(error.message));
  children.push(child);
  const health = { path: '/v1.0/healthz/outbound', timeout: 1000 };
  const socket = (kind) => join(socketFolder, `dapr-${appId}-${kind}.socket`);
  const where =
    socketFolder === undefined ? { host: '127.0.0.1', port: http } : { socketPath: socket('http') };
  const deadline = performance.now() + START_PATIENCE_MS;
  while (!(await answers({ ...health, ...where }))) {
    if (child.exitCode !== null || performance.now() > deadline)
      throw new Error(`sidecar ${appId} did not start:\n${readFileSync(logPath, 'utf8').slice(-2000)}`);
    await delay(100);
  }
  return {
    pid: child.pid,
    address: socketFolder === undefined ? `127.0.0.1:${grpc}` : `unix://${socket('grpc')}`,
  };
}

function answers(options) {
  return new Promise((resolve) => {
    const probe = request(options, (response) => {
      response.resume();
      resolve(response.statusCode === 204);
    });
    probe.once('timeout', () => probe.destroy());
    probe.once('error', () => resolve(false));
    probe.end();
  });
}

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise((done) => server.listen(0, '127.0.0.1', done))));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/** A process of peer.mjs; `ask` is answered once, fails with what failed there, and never waits for ever. */
function startPeer() {
  const child = fork(new URL('./peer.mjs', import.meta.url));
  children.push(child);
  const waiting = new Map();
  let lastId = 0;
  child.on('message', ({ id, value, error }) => {
    waiting.get(id)(value, error);
    waiting.delete(id);
  });
  const ask = (name, args) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      const timer = setTimeout(() => reject(new Error(`${name} was not answered`)), COMMAND_PATIENCE_MS);
      waiting.set(id, (value, error) => {
        clearTimeout(timer);
        if (error === undefined) resolve(value);
        else reject(new Error(error));
      });
      child.send({ id, name, args });
    });
  return { pid: child.pid, ask };
}

async function checkRefusals(routes) {
  for (const { name, path, library, target, client } of routes) {
    const { code, details } = await client.ask('refuse', { library, ...target });
    if (code !== 9 || details !== REFUSAL)
      throw new Error(`${name}, ${path}: the refusal arrived as ${code} ${details}`);
  }
  console.log(`FAILED_PRECONDITION with its text arrives unchanged on all ${routes.length} routes.\n`);
}

async function measureAll(routes) {
  const rows = [];
  for (let round = 0; round < rounds; round++) {
    const order = [...routes.slice(round % routes.length), ...routes.slice(0, round % routes.length)];
    for (const shape of SHAPES)
      for (const inFlight of IN_FLIGHT)
        for (const route of order)
          rows.push({ round, shape, inFlight, route, ...(await measureOnce(route, shape, inFlight)) });
    console.error(`round ${round + 1} of ${rounds}`);
  }
  return rows;
}

/** CPU in seconds per 1000 round trips, opening the stream included. */
async function measureOnce({ library, clientWindow, target, client, server, sidecars }, shape, inFlight) {
  const usage = async () => {
    const [app, echo] = await Promise.all([client.ask('usage'), server.ask('usage')]);
    return { client: app.cpu, server: echo.cpu, sidecars: sum(sidecars.map(({ pid }) => processCpu(pid))) };
  };
  const before = await usage();
  const result = await client.ask('measure', { library, clientWindow, ...target, shape, inFlight, seconds });
  const after = await usage();
  const per1000 = (who) => ((after[who] - before[who]) / result.messages) * 1000;
  return { ...result, nodeCpu: per1000('client') + per1000('server'), sidecarCpu: per1000('sidecars') };
}

function processCpu(pid) {
  const [, fields] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const [utime, stime] = fields.split(' ').slice(11, 13).map(Number);
  return (utime + stime) / CLOCK_TICKS_PER_SECOND;
}

/** Resident MB after the run: client, server and the sum of the sidecars. */
async function memoryOf({ client, server, sidecars }) {
  const [app, echo] = await Promise.all([client.ask('usage'), server.ask('usage')]);
  const resident = (pid) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
  return [app.rss, echo.rss, sum(sidecars.map(({ pid }) => resident(pid)))].map((bytes) =>
    Math.round(bytes / 2 ** 20),
  );
}

async function report(rows, memory, client) {
  console.log(
    `${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}, ${rounds} rounds of ${seconds} s; medians\n`,
  );
  const header = [
    'frame',
    'in flight',
    'path',
    'variant',
    'p50 ms',
    'p99 ms',
    'messages/s',
    'CPU s/1000 Node',
    'CPU s/1000 daprd',
    'p50 / grpc-js',
  ];
  console.log(`| ${header.join(' | ')} |\n|${' --- |'.repeat(header.length)}`);
  for (const group of groupsOf(rows)) {
    const [{ shape, inFlight, route }] = group;
    const of = (field) => median(group.map((row) => row[field]));
    const control = rows.filter(
      (row) =>
        row.route.name === VARIANTS[0].name &&
        row.shape === shape &&
        row.inFlight === inFlight &&
        row.route.path === route.path.split(',')[0],
    );
    const ratio = median(group.map((row) => row.p50 / control.find(({ round }) => round === row.round).p50));
    const cells = [
      shape.label,
      inFlight,
      route.path,
      route.name,
      of('p50').toFixed(2),
      of('p99').toFixed(2),
      of('perSecond').toFixed(0),
      of('nodeCpu').toFixed(2),
      of('sidecarCpu').toFixed(2),
      ratio.toFixed(2),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
  console.log('\n| path | variant | RSS MB client | server | sidecars |\n| --- | --- | --- | --- | --- |');
  for (const { route, rss } of memory) console.log(`| ${route.path} | ${route.name} | ${rss.join(' | ')} |`);
  console.log('\n| frame | encode ms | decode ms |\n| --- | --- | --- |');
  for (const shape of SHAPES) {
    const { encode, decode } = await client.ask('codec', { shape, repetitions: 2000 });
    console.log(`| ${shape.label} | ${encode.toFixed(3)} | ${decode.toFixed(3)} |`);
  }
}

/** The rows of all rounds of one cell, in the order of the first round. */
function groupsOf(rows) {
  const cells = rows.filter(({ round }) => round === 0);
  return cells.map((cell) =>
    rows.filter(
      (row) => row.route === cell.route && row.shape === cell.shape && row.inFlight === cell.inFlight,
    ),
  );
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Every child that this script started, and no other. */
async function stopAll() {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_PATIENCE_MS);
      await exited.finally(() => clearTimeout(timer));
    }),
  );
  await rm(folder, { recursive: true, force: true });
}
