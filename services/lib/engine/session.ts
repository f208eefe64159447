import ort from 'onnxruntime-node';

const ERRORS_ONLY = 3;

/**
 * How long a thread spins for its next share of a step before it blocks. A step has hundreds of shares, a few
 * microseconds apart, and waking a thread costs as much: without spinning a step takes half as long again.
 * Longer, and an idle engine takes time from others on the same processors (`docs/adr/004-shards-and-memory.md`).
 */
const SPIN_MICROSECONDS = '20';

/** Opens a model whose weights lie in `weightsDirectory`. */
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
        // Softmax over what is masked makes denormals, each of which costs as much as a hundred other numbers.
        set_denormal_as_zero: '1',
        intra_op: { allow_spinning: '1', spin_duration_us: SPIN_MICROSECONDS },
      },
    },
  });
}

/** What ONNX takes as indices and shapes. */
export const int64 = (values: readonly number[], shape: number[]): ort.Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);
