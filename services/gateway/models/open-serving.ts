import { hostname } from 'node:os';
import type { Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { stageIds } from '../../lib/config/app-id.js';
import type { GatewayConfig, HostedModel } from '../../lib/config/config.js';
import { engineLabel, type ModelPlan } from '../../lib/model/plan.js';
import { letterText } from '../../lib/model/gguf/letter-vocabulary.js';
import { readTextFiles } from '../../lib/model/shards/open-shards.js';
import { layerCosts, modelWeights } from '../../lib/model/split.js';
import { scoredRows } from '../../lib/model/step.js';
import { loadModelText } from '../../lib/model/text/encode-chat.js';
import type { AgreedPlan } from '../../lib/mesh/identity.js';
import type { Mesh } from '../../lib/mesh/types.js';
import { samplingOver } from '../../lib/openai/served-model.js';
import { maxRowsPerFrame } from '../../lib/wire/frames.js';
import type { Admission } from '../admission.js';
import { DemandMeter } from '../demand/demand-meter.js';
import { MeshBackend } from '../generation/mesh-backend.js';
import { Reporter } from '../report/reporter.js';
import { AnswerMemory } from '../speculation/answer-memory.js';
import type { GatewayMetrics, ModelLoad } from '../telemetry/metrics.js';
import { ModelMetrics } from '../telemetry/model-metrics.js';
import { ConstraintSources } from '../text/constraint-sources.js';
import { startTextWorker, TextPool } from '../text/text-pool.js';
import { textLimitOf, TextWork } from '../text/text-work.js';
import { LoadLog } from '../watch/load-log.js';
import { MeshWatch } from '../watch/mesh-watch.js';
import type { RequestLog } from '../watch/request-log.js';
import { ModelPlaces } from './model-places.js';
import type { Serving } from './serving.js';

/** What the models of a gateway share. */
interface SharedParts {
  readonly config: GatewayConfig;
  readonly mesh: Mesh;
  readonly admission: Admission;
  readonly metrics: GatewayMetrics;
  readonly tracer: Tracer;
  readonly requests: RequestLog;
  readonly log: Logger;
}

/** So that the demand is fresher than any scrape of it. */
const DEMAND_LOOK_MS = 500;

/** A model as `main` opens and closes it. */
export interface OpenServing extends Serving {
  readonly backend: MeshBackend;
  readonly demand: DemandMeter;
  readonly load: LoadLog;
  readonly watch: MeshWatch;
  /** Its share of the gateway's. */
  loadNow(): ModelLoad;
  /** App-ids, stage 0 first. */
  readonly stages: readonly string[];
  /** What its stages and the gateway must agree on. */
  readonly plan: AgreedPlan;
  /** Ends what still runs. */
  close(): Promise<void>;
}

/** Joins the mesh of a model. */
export async function openServing(
  hosted: HostedModel,
  { model, plan, ranges }: ModelPlan,
  shared: SharedParts,
): Promise<OpenServing> {
  const { config, mesh, tracer, requests, log } = shared;
  const { specialTokensInContent } = config;
  const { served, meshName } = hosted;
  const { vocabulary, maxPositions } = model.config;
  const id = hosted.name === '' ? model.config.name : hosted.name;
  const engine = engineLabel(served);
  const stages = stageIds(meshName, ranges.length);

  const prepared = served.engine === 'timed' ? null : served.prepared;
  const files = prepared === null ? letterText(vocabulary) : await readTextFiles(prepared);
  const text = loadModelText(files, { vocabulary, specialTokensInContent });
  const { problem } = text.chatTemplate;
  if (problem !== null) log.warn({ model: id, problem }, 'chats are refused, completions are served');
  const textPool = new TextPool(() => startTextWorker({ prepared, vocabulary, specialTokensInContent }));
  const textWork = new TextWork(text, textPool);

  const metrics = new ModelMetrics(shared.metrics, id);
  const places = new ModelPlaces(shared.admission);
  const answers = config.speculation === 'auto' ? { answers: new AnswerMemory() } : {};
  const backend: MeshBackend = new MeshBackend({
    mesh,
    meshName,
    identity: { appId: config.appId, replica: config.replica, host: hostname(), pid: process.pid, plan },
    model: id,
    engine,
    ranges,
    // Between stages a chunk's activations are one frame.
    prefillChunk:
      ranges.length === 1
        ? config.prefillChunk
        : Math.min(config.prefillChunk, maxRowsPerFrame(model.config.hidden, plan.activations)),
    prefillChunkAlone: config.prefillChunkAlone,
    scoreChunk: scoredRows(vocabulary),
    stepTimeoutMs: config.stepTimeoutSeconds * 1000,
    patienceMs: config.reroutePatienceSeconds * 1000,
    startPatienceMs: config.startPatienceSeconds * 1000,
    reroutes: {
      inc: ({ reason }) => {
        metrics.rerouted(reason);
        watch.moved(reason);
      },
    },
    // How many guesses would be right is nothing that an engine can tell which computes nothing.
    speculation: config.speculation === 'off' || engine !== null ? null : { ...metrics.drafts, ...answers },
    prefixCache: config.prefixCache,
    log,
    tracer,
  });
  const demand = new DemandMeter({
    stages,
    totals: () => backend.totals(),
    occupation: () => backend.occupation(),
  });
  const looking = setInterval(() => demand.look(), DEMAND_LOOK_MS).unref();
  const reporter = new Reporter({
    model: {
      name: engine === null ? id : `${id}, ${engine}`,
      stages,
      split: plan.split,
      costs: layerCosts(model.config),
    },
    totals: () => backend.totals(),
    room: () => backend.occupation(),
  });
  const load = new LoadLog();
  const watch = new MeshWatch({
    gateway: config.replica,
    topology: () => backend.topology(),
    links: () => backend.replicaLinks(),
    report: (seconds) => reporter.report(seconds),
    counts: () => {
      const { running, waiting } = backend.occupation();
      return { running, waiting: waiting + demand.queued };
    },
    load,
    requests,
  });

  return {
    model: {
      id,
      engine,
      aliases: hosted.aliases.filter((alias) => alias !== id),
      created: Math.floor(Date.now() / 1000),
      contextLength: maxPositions,
      vocabulary,
      eosIds: model.eosIds,
      checkpoint: {
        digest: plan.modelDigest,
        architecture: model.config.architecture,
        layers: model.config.layers,
        hidden: model.config.hidden,
        parameters: modelWeights(model.config),
        precision: plan.precision,
      },
      split: plan.split,
      takesTemplates: config.takesTemplates,
      sampling: samplingOver(hosted.generationConfig === 'auto' ? model.sampling : {}),
    },
    backend,
    text,
    textWork,
    constraintSources: new ConstraintSources(textWork),
    textLimit: textLimitOf(files, text.tokenizer, maxPositions),
    admission: places,
    metrics,
    demand,
    inferences: {
      tracer,
      engine,
      decodeInterval: config.telemetry.decodeInterval,
      content: config.telemetry.content,
      onRound: (round) => {
        reporter.add(round);
        load.round(round);
        demand.generated(round.tokens);
      },
      watcher: requests,
    },
    reporter,
    watch,
    load,
    loadNow: () => ({
      model: id,
      running: places.running - backend.waiting,
      waiting: places.waiting + backend.waiting,
    }),
    stages,
    plan,
    close: async () => {
      clearInterval(looking);
      watch.close();
      reporter.close();
      await backend.close();
      await textPool.close();
    },
  };
}
