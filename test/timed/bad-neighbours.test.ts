import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { percentile } from '../../scripts/lib/measure/figures/statistics.js';
import { readStageConfig } from '../../services/lib/config/config.js';
import { connect, type CallerLink } from '../../services/lib/mesh/caller-link.js';
import { DirectMesh } from '../../services/lib/mesh/direct-mesh.js';
import { readPlan } from '../../services/lib/model/plan.js';
import { message } from '../../services/lib/wire/codec.js';
import { packFrames, type ItemFields, type Rows } from '../../services/lib/wire/frames.js';
import { SamplingSchema, type Message } from '../../services/lib/wire/gen/stage_pb.js';
import { eventsOf, post } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { SMALL, SMALL_MODEL, smallPrompt, startSystem, type TestSystem } from '../support/local-system.js';

const STAGES = [0, 1, 2];
const CLIENTS = 8;

/** What a process of the mesh was started with. */
async function environmentOf(pid: number): Promise<Record<string, string>> {
  const text = await readFile(`/proc/${pid}/environ`, 'utf8');
  return Object.fromEntries(
    text
      .split('\0')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
  );
}

/** The ways in which rows can be bad where token ids, and where activations come. */
const badRows = (isFirst: boolean): ((item: ItemFields) => Rows)[] => {
  const rows = (item: ItemFields, value: number): Rows =>
    isFirst
      ? { item, tokens: Array<number>(item.count).fill(value) }
      : { item, activations: new Float32Array(item.count * SMALL_MODEL.hidden).fill(value) };
  return [
    (item) => rows(item, isFirst ? 2 ** 31 : NaN),
    (item) => rows({ ...item, count: 0 }, 1),
    (item) => rows({ ...item, position: 5 }, 1),
    (item) => rows({ ...item, logits: 3, draft: [1, 2] }, 1),
    (item) => ({ ...rows({ ...item, count: 1 }, 1), item }),
    (item) => rows({ ...item, count: 30 }, 1),
  ];
};

/** A process that knows the mesh's token, opens sequences in one stage, and sends rows that cannot be computed. */
class BadNeighbour {
  readonly failures: string[] = [];
  readonly #links: CallerLink[] = [];

  static async beside(system: TestSystem, route: readonly string[]): Promise<BadNeighbour> {
    const bad = new BadNeighbour(route);
    const config = readStageConfig(await environmentOf(system.members('stage-0')[0]!.servicePid));
    if (config.mesh.kind !== 'direct') throw new Error('not the direct mesh');
    const mesh = new DirectMesh({
      registryDirectory: config.mesh.registryDirectory,
      shows: config.mesh.shows,
    });
    const { plan } = await readPlan(config.served);
    const identity = { appId: 'gateway', replica: 'bad', host: 'here', pid: 1, plan };
    for (const stage of STAGES) {
      const [record] = await mesh.registry.list(`stage-${stage}`);
      bad.#links.push(
        await connect(mesh.open(record!), identity, {
          onMessage: (_link, { body }: Message) => {
            if (body.case === 'failed') bad.failures.push(`stage-${stage} ${body.value.code}`);
          },
          onEnd: (_link, reason) => bad.failures.push(`stage-${stage} is gone: ${reason.message}`),
        }),
      );
    }
    return bad;
  }

  readonly #route: readonly string[];
  constructor(route: readonly string[]) {
    this.#route = route;
  }

  /** Until the signal: in each stage one bad sequence of each kind after another. Returns how many there were. */
  async annoy(until: AbortSignal): Promise<number> {
    let count = 0;
    for (; !until.aborted; count++) {
      const stage = count % STAGES.length;
      const kinds = badRows(stage === 0);
      const sequence = `bad-${count}`;
      const value = {
        sequence,
        epoch: 1,
        route: [...this.#route],
        gateway: 'bad',
        maxLength: 20,
        sampling: create(SamplingSchema),
      };
      this.#links[stage]!.send(message({ case: 'open', value }));
      const item = { sequence, epoch: 1, position: 0, count: 2, logits: 0, draft: [] };
      const rows = kinds[Math.floor(count / STAGES.length) % kinds.length]!(item);
      for (const frame of packFrames([rows])) this.#links[stage]!.sendFrame(frame);
      await delay(10);
    }
    return count;
  }

  leave(): void {
    for (const link of this.#links) link.close();
  }
}

interface Told {
  readonly tokens: readonly number[];
  /** Between two tokens, ms. */
  readonly gaps: readonly number[];
}

async function ask(url: string, client: number): Promise<Told> {
  const body = {
    prompt: smallPrompt(16, client),
    max_tokens: 40,
    temperature: 0,
    ignore_eos: true,
    return_token_ids: true,
    stream: true,
  };
  const response = await post(`${url}/v1/completions`, body);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  const tokens: number[] = [];
  const times: number[] = [];
  for await (const data of eventsOf(response)) {
    if (data === '[DONE]') break;
    const event = JSON.parse(data) as { choices?: { token_ids?: number[] }[]; error?: { code: string } };
    if (event.error !== undefined) throw new Error(event.error.code);
    tokens.push(...(event.choices?.[0]?.token_ids ?? []));
    times.push(performance.now());
  }
  return { tokens, gaps: times.slice(1).map((time, index) => time - times[index]!) };
}

describe('eight streams beside sequences whose rows are bad, in each stage', () => {
  let system: TestSystem;
  beforeAll(async () => {
    const env = {
      LAYERMESH_SPECULATION: 'off',
      // Long enough streams to be disturbed.
      LAYERMESH_FAULT_STAGE: 'stage-1',
      LAYERMESH_FAULT_STEP_MS: '20',
    };
    system = await startSystem({ model: SMALL, precision: 'f32', mesh: 'direct', env });
  }, 120_000);
  afterAll(() => system.stop());
  const askAll = () => Promise.all(Array.from({ length: CLIENTS }, (_, client) => ask(system.url, client)));

  test('say the same, and wait no longer', async () => {
    await askAll();
    const { stages } = await system.topology();
    const bad = await BadNeighbour.beside(
      system,
      stages.map(({ replicas }) => replicas[0]!.id),
    );
    const [calm, disturbed]: [Told[], Told[]] = [[], []];
    let sent = 0;
    for (let round = 0; round < 3; round++) {
      calm.push(...(await askAll()));
      const stop = new AbortController();
      const annoying = bad.annoy(stop.signal);
      disturbed.push(...(await askAll()));
      stop.abort();
      sent += await annoying;
    }
    await delay(500);
    const wrong = bad.failures.filter((failure) => !/^stage-\d invalid_frame$/.test(failure));
    expect(wrong).toEqual([]);
    expect(bad.failures).toHaveLength(sent);
    expect(sent).toBeGreaterThan(100);
    bad.leave();

    expect(disturbed.map(({ tokens }) => tokens)).toEqual(calm.map(({ tokens }) => tokens));
    const gapsOf = (told: Told[], p: number) =>
      percentile(
        told.flatMap(({ gaps }) => [...gaps]),
        p,
      )!;
    // As far as a machine can tell that is shared with others: rows that fail are parts of steps, and take none.
    for (const p of [50, 95]) {
      console.info(
        `gaps, p${p}: ${gapsOf(disturbed, p).toFixed(1)} ms; alone ${gapsOf(calm, p).toFixed(1)} ms`,
      );
      expect(gapsOf(disturbed, p)).toBeLessThan(2 * gapsOf(calm, p) + 50);
    }

    const sequences = async (): Promise<number> =>
      (await system.topology()).stages
        .flatMap(({ replicas }) => replicas.map((replica) => replica.sequences))
        .reduce((sum, count) => sum + count, 0);
    await eventually('no sequence left', async () => (await sequences()) === 0);
    const page = await (await fetch(`${system.url}/metrics`)).text();
    expect(page).not.toMatch(/^layermesh_reroutes_total\{[^}]*\} [1-9]/m);
  }, 120_000);
});
