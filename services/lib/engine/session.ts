import ort from 'onnxruntime-node';

const ERRORS_ONLY = 3;

/**
 * Opens a model whose weights lie in `weightsDirectory`. Threads block instead of spinning when idle, since
 * several engines may share the processors.
 */
export function openSession(
  model: Uint8Array,
  weightsDirectory: string,
  threads: number,
): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(model, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: ERRORS_ONLY,
    extra: {
      session: {
        model_external_initializers_file_folder_path: `${weightsDirectory}/`,
        intra_op: { allow_spinning: '0' },
      },
    },
  });
}
