import { parentPort, workerData } from 'node:worker_threads';
import { ServingError } from '../../lib/errors/serving-error.js';
import { letterText } from '../../lib/model/gguf/letter-vocabulary.js';
import { readTextFiles } from '../../lib/model/shards/open-shards.js';
import { loadModelText } from '../../lib/model/text/encode-chat.js';
import { runTextTask, type TextTask } from './text-task.js';
import type { TextReply, TextWorkerData } from './text-pool.js';

/** A worker thread that renders and encodes, one task at a time, so that a long text holds up no event loop. */
const port = parentPort!;
const { prepared, ...options } = workerData as TextWorkerData;
const files = prepared === null ? letterText(options.vocabulary) : await readTextFiles(prepared);
const text = loadModelText(files, options);

function answer(task: TextTask): TextReply {
  try {
    return { type: 'done', result: runTextTask(text, task) };
  } catch (reason) {
    const { code, message, param, hint } = ServingError.from(reason);
    return { type: 'failed', code, message, param, hint };
  }
}

port.on('message', (task: TextTask) => port.postMessage(answer(task)));
port.postMessage({ type: 'ready' } satisfies TextReply);
