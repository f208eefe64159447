import type { Tracer } from '@opentelemetry/api';
import type { Response } from 'express';
import type { GenerationSettings } from '../lib/openai/generation-fields.js';
import type { Operation } from '../lib/telemetry/names.js';
import { tracedOf } from './middleware/trace-requests.js';
import { RequestTrace } from './request-trace.js';
import type { Round } from './sequence-trace.js';

/** How inferences are traced and who hears of their rounds. */
export interface Inferences {
  readonly tracer: Tracer;
  /** Every so manieth round of decoding has a span in each stage. */
  readonly decodeInterval: number;
  /** Whether spans hold prompts. */
  readonly content: boolean;
  readonly onRound: (round: Round) => void;
}

/** Runs the work of one inference request under a span of its own, which ends with it. */
export async function traceInference(
  inferences: Inferences,
  response: Response,
  request: { operation: Operation; model: string; settings: GenerationSettings },
  work: (trace: RequestTrace) => Promise<void>,
): Promise<void> {
  const { context, arrived } = tracedOf(response);
  const trace = new RequestTrace({ ...inferences, ...request, parent: context, arrived });
  try {
    await work(trace);
    trace.end();
  } catch (error) {
    if (response.destroyed) trace.abandon();
    else trace.end(error);
    throw error;
  }
}
