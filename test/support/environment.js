import { TestEnvironment } from 'jest-environment-node';

// Test files that run at once start their systems on ports of their own (scripts/lib/local/ports.ts).
const PORTS = 3_000;
const first = 20_000 + PORTS * ((Number(process.env['JEST_WORKER_ID'] ?? 1) - 1) % 4);
process.env['LAYERMESH_PORT_RANGE'] = `${first}-${first + PORTS}`;

// A test's engines set it in the realm of the test, where ONNX Runtime does not look.
process.env['ORT_DISABLE_TELEMETRY'] = '1';

/**
 * Jest runs tests in a realm of its own. ONNX Runtime, loaded natively, compares typed arrays against the
 * outer realm's constructors and refuses others, so the test realm borrows the outer ones.
 */
export default class SharedTypedArrays extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    Object.assign(this.global, {
      ArrayBuffer,
      SharedArrayBuffer,
      Uint8Array,
      Int8Array,
      Uint16Array,
      Int16Array,
      Uint32Array,
      Int32Array,
      Float32Array,
      Float64Array,
      BigInt64Array,
      BigUint64Array,
      DataView,
    });
  }
}
