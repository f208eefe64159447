import { Ajv2020 } from 'ajv/dist/2020.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

interface Document {
  readonly paths: Record<
    string,
    Record<string, { requestBody?: { content: Record<string, { schema: object }> } }>
  >;
}

/** Of Express: a route, or middleware, which may be a router with layers of its own. */
interface Layer {
  readonly route?: { path: string; methods: Record<string, boolean> };
  readonly handle: { readonly stack?: readonly Layer[] };
}

let gateway: TestGateway;
let document: Document;
beforeAll(async () => {
  gateway = await startTestGateway();
  document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as Document;
});
afterAll(() => gateway.close());

const accepts = (path: string): ((body: object) => boolean) => {
  const schema = document.paths[path]!.post!.requestBody!.content['application/json']!.schema;
  return new Ajv2020({ strict: false }).compile(schema);
};

describe('/openapi.json', () => {
  it('tells of every route, and of no other', () => {
    const routesOf = (layers: readonly Layer[]): string[] =>
      layers.flatMap(({ route, handle }) =>
        route === undefined
          ? routesOf(handle.stack ?? [])
          : Object.keys(route.methods).map(
              (method) => `${method} ${route.path.replaceAll(/[:*](\w+)/g, '{$1}')}`,
            ),
      );
    const served = routesOf(gateway.app.router.stack as unknown as Layer[]);
    const told = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(told.sort()).toEqual(served.sort());
  });

  it.each([
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'Hi' }], seed: 7, stop: ['a'] }],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }] }],
    ['/v1/completions', { prompt: [[1, 2]], max_tokens: 3 }],
    ['/v1/responses', { input: 'Hi', metadata: { a: 'b' } }],
    ['/v1/messages', { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 }],
    ['/api/chat', { messages: [{ role: 'user', content: 'Hi' }], options: { num_predict: -1 } }],
  ])('describes what %s takes', (path, body) => {
    expect(accepts(path)(body)).toBe(true);
  });

  it.each([
    ['/v1/chat/completions', { messages: [{ role: 'robot', content: 'Hi' }] }],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'Hi' }], seed: 1.5 }],
    ['/v1/completions', { prompt: [1.5] }],
    ['/v1/completions', { prompt: 'Hi', max_tokens: -1 }],
    ['/v1/responses', { input: 7 }],
    ['/v1/messages', { messages: [{ role: 'user', content: 'Hi' }] }],
    ['/api/chat', { options: { temperature: 9 } }],
  ])('describes what %s refuses', async (path, body) => {
    expect(accepts(path)(body)).toBe(false);
    expect((await gateway.post(path, body)).status).toBe(400);
  });
});
