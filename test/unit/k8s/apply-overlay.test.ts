import {
  applyOverlay,
  DISPOSABLE,
  requireStartable,
  TOKEN_SECRETS,
} from '../../../scripts/lib/k8s/deploy.js';

interface Secret {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly stringData: { readonly token: string };
}

/** Applies to a namespace with such Secrets; what kubectl was told, and the Secrets that it was given. */
async function apply(there: readonly string[]): Promise<{ calls: string[]; made: Secret[] }> {
  const calls: string[] = [];
  const made: Secret[] = [];
  const run = (args: readonly string[], { input }: { input?: string } = {}): Promise<string> => {
    calls.push(args.join(' '));
    if (input !== undefined) made.push(JSON.parse(input) as Secret);
    return Promise.resolve(args[0] === 'get' ? there.map((name) => `secret/${name}\n`).join('') : '');
  };
  await applyOverlay({ run, namespace: 'mine' }, '/overlay');
  return { calls, made };
}

describe('an overlay is applied', () => {
  it('after its namespace and the Secrets of its pods, each with a token of its own that no argument shows', async () => {
    const { calls, made } = await apply(['redis-password']);
    expect(calls[0]).toBe('apply --filename /overlay/namespace.yaml');
    expect(calls.at(-1)).toBe('apply --kustomize /overlay');
    expect(made.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(
      TOKEN_SECRETS.map((name) => `Secret ${name}`),
    );
    const tokens = made.map(({ stringData }) => stringData.token);
    for (const token of tokens) expect(token).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(tokens).size).toBe(TOKEN_SECRETS.length);
    expect(tokens.filter((token) => calls.join().includes(token))).toEqual([]);
  });

  it('to a namespace that is marked before anything is in it, so that what fails leaves nothing that cannot be removed', async () => {
    const { calls } = await apply([]);
    expect(calls[1]).toBe(`label namespace mine ${DISPOSABLE}=true --overwrite`);
    expect(calls.findIndex((call) => call.startsWith('create'))).toBeGreaterThan(1);
  });

  it('with the tokens that are there', async () => {
    const { made } = await apply([...TOKEN_SECRETS].slice(1));
    expect(made.map(({ metadata }) => metadata.name)).toEqual([TOKEN_SECRETS[0]]);
    expect((await apply(TOKEN_SECRETS)).made).toEqual([]);
  });
});

describe('a pod that waits', () => {
  const podThat = (reason: string): object => ({
    metadata: { name: 'redis-1' },
    spec: { containers: [] },
    status: {
      containerStatuses: [{ name: 'redis', image: 'redis:7.4-alpine', state: { waiting: { reason } } }],
    },
  });
  const look = (...reasons: string[]): Promise<void> =>
    requireStartable({ list: () => Promise.resolve(reasons.map(podThat) as never) });

  it.each(['ImagePullBackOff', 'ErrImageNeverPull', 'CreateContainerConfigError'])(
    'for what does not come by itself (%s) is waited for no longer',
    async (reason) => {
      await expect(look('ContainerCreating', reason)).rejects.toMatchObject({
        code: 'cluster_failed',
        message: expect.stringContaining(`redis-1 cannot start: ${reason}`) as string,
      });
    },
  );

  it.each(['ContainerCreating', 'PodInitializing', 'ErrImagePull', 'CrashLoopBackOff'])(
    'for what may come (%s) is waited for',
    async (reason) => {
      await expect(look(reason)).resolves.toBeUndefined();
    },
  );
});
