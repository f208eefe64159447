import { readRunFile } from '../../../scripts/lib/local/run/run-file.js';
import { sidecarArguments } from '../../../scripts/lib/local/processes/member.js';

const ports = { http: 1, grpc: 2, internalGrpc: 3, metrics: 4, app: 5 };

describe('the arguments of a sidecar', () => {
  it('keep every listener on loopback, and each on its own port', async () => {
    const { stages } = await readRunFile();
    const args = sidecarArguments(stages[0]!, ports);
    expect(args).toEqual(
      expect.arrayContaining([
        '--app-id=stage-0',
        '--app-port=5',
        '--dapr-http-port=1',
        '--dapr-grpc-port=2',
        '--dapr-internal-grpc-port=3',
        '--metrics-port=4',
        '--dapr-listen-addresses=127.0.0.1',
        '--dapr-internal-grpc-listen-address=127.0.0.1',
        '--metrics-listen-address=127.0.0.1',
        '--max-body-size=16Mi',
      ]),
    );
    expect(args.filter((arg) => arg.startsWith('--resources-path='))).toHaveLength(2);
  });

  it('name no app port where the sidecar does not call the app', async () => {
    const { gateway } = await readRunFile();
    const args = sidecarArguments(gateway, { ...ports, app: null });
    expect(args.some((arg) => arg.startsWith('--app-port'))).toBe(false);
  });
});
