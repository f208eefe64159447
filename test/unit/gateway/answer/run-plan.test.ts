import { context, trace } from '@opentelemetry/api';
import { Admission } from '../../../../services/gateway/admission.js';
import { newResponseHead, type GenerationPlan } from '../../../../services/gateway/answer/choice.js';
import { runPlan, wholeAnswer, type PlanRunner } from '../../../../services/gateway/answer/run-plan.js';
import { createGatewayMetrics } from '../../../../services/gateway/telemetry/metrics.js';
import { ModelMetrics } from '../../../../services/gateway/telemetry/model-metrics.js';
import { RequestTrace } from '../../../../services/gateway/telemetry/request-trace.js';
import { validateGeneration } from '../../../../services/lib/openai/generation-fields.js';
import { completionFormat } from '../../../../services/lib/openai/response-format.js';
import { samplingOver } from '../../../../services/lib/openai/served-model.js';
import { createMetricsRegistry } from '../../../../services/lib/telemetry/metrics.js';
import { byteTokenizer, EOS, say } from '../byte-text.js';
import { ScriptedBackend, stuckAfter, tokensOf, type Script } from '../scripted-backend.js';

const model = {
  id: 'test/model',
  engine: null,
  aliases: [],
  created: 1,
  contextLength: 200,
  vocabulary: 258,
  eosIds: [EOS],
  checkpoint: {
    digest: '',
    architecture: 'llama',
    layers: 1,
    hidden: 1,
    parameters: 1,
    precision: 'f32',
  },
  split: [],
  sampling: samplingOver({}),
};

/** A request that nobody waits for at the other end of a connection. */
function unattended(script: Script, n: number) {
  const backend = new ScriptedBackend();
  backend.script = script;
  const admission = new Admission({ maxRunning: 4, maxWaiting: 0 });
  const told: string[] = [];
  const runner: PlanRunner = {
    backend,
    admission,
    text: { tokenizer: byteTokenizer },
    metrics: new ModelMetrics(createGatewayMetrics(createMetricsRegistry()), model.id),
    demand: {
      asked: () => {
        told.push('asked');
        return () => told.push('entered');
      },
      began: () => told.push('began'),
      ended: (_choices, finished) => told.push(`ended ${finished.length}`),
    },
  };
  const settings = validateGeneration({ n, seed: 1 }, model);
  const plan: GenerationPlan = {
    prompts: [{ ids: [65, 66], maxTokens: 10, clamped: false }],
    settings,
    format: completionFormat(newResponseHead(model, settings)),
    calls: null,
    timed: false,
  };
  const request = new RequestTrace({
    id: 'request',
    tracer: trace.getTracer('test'),
    parent: context.active(),
    arrived: performance.now(),
    operation: 'text_completion',
    model: model.id,
    settings,
    decodeInterval: 2,
    content: false,
    onRound: () => undefined,
  });
  return { backend, admission, told, runner, plan, request };
}

describe('a request without a client', () => {
  it('is answered whole', async () => {
    const { runner, plan, request, told, admission, backend } = unattended(tokensOf(say('well')), 2);
    let body: object | null = null;
    await runPlan(runner, plan, request, new AbortController(), async (running) => {
      const answer = await wholeAnswer(running);
      expect(running.route).toBe('stage-0/a>stage-1/b1, stage-0/a>stage-1/b2');
      body = answer.body;
      return answer.finished;
    });
    expect(body).toMatchObject({
      object: 'text_completion',
      choices: [0, 1].map((index) => ({ index, text: 'well', finish_reason: 'stop' })),
      usage: { prompt_tokens: 2, completion_tokens: 10 },
    });
    expect(told).toEqual(['asked', 'entered', 'began', 'ended 2']);
    expect([admission.running, backend.open]).toEqual([0, 0]);
  });

  it('leaves nothing behind when it is cancelled, or who reads it fails', async () => {
    for (const fault of ['cancelled', 'failed']) {
      const { runner, plan, request, told, admission, backend } = unattended(stuckAfter([65]), 2);
      const controller = new AbortController();
      const run = runPlan(runner, plan, request, controller, async (running) => {
        if (fault === 'failed') throw new Error(fault);
        const answer = wholeAnswer(running);
        controller.abort(new Error(fault));
        return (await answer).finished;
      });
      await expect(run).rejects.toThrow(fault);
      expect(told).toEqual(['asked', 'entered', 'began']);
      expect([admission.running, backend.open]).toEqual([0, 0]);
    }
  });
});
