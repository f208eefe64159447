import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ResultFiles } from '../../../../services/gateway/watch/result-files.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import { startTestGateway } from '../test-gateway.js';

const folder = temporaryFolder();
const write = async (name: string, text = '{}'): Promise<void> => {
  await mkdir(join(folder.path, name, '..'), { recursive: true });
  await writeFile(join(folder.path, name), text);
};

test('has what lies in its folders and right below, and nothing else', async () => {
  const results = join(folder.path, 'experiment');
  await write('secret.json', '"secret"');
  await write('experiment/map.json', '{"a": []}');
  await write('experiment/s1/one.json');
  await write('experiment/s1/notes.txt');
  await write('experiment/s1/deeper/two.json');
  await write('experiment/huge.json');
  await truncate(join(results, 'huge.json'), (64 << 20) + 1);
  await symlink(join(folder.path, 'secret.json'), join(results, 'link.json'));
  const files = new ResultFiles([results, join(folder.path, 'missing')]);
  const listed = await files.list();
  expect(listed.map(({ name }) => name)).toEqual(['experiment/map.json', 's1/one.json']);
  expect(listed[0]).toMatchObject({ bytes: 9, at: expect.any(Number) as number });
  expect(listed[0]).not.toHaveProperty('path');

  const gateway = await startTestGateway({ resultFolders: [results], operatorKey: 'op' });
  try {
    const get = (path: string): Promise<Response> =>
      fetch(`${gateway.url}${path}`, { headers: { authorization: 'Bearer op' } });
    expect(await (await get('/results')).json()).toEqual({ results: listed });
    const found = await get('/results/experiment/map.json');
    expect(found.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await found.json()).toEqual({ a: [] });
    for (const name of [
      'experiment/link.json',
      'experiment/..%2Fsecret.json',
      '..%2Fexperiment/map.json',
      's1/notes.txt',
      'deeper/two.json',
    ]) {
      const missing = await get(`/results/${name}`);
      expect([name, missing.status, await missing.json()]).toMatchObject([
        name,
        404,
        { error: { code: 'result_not_found' } },
      ]);
    }
    expect((await fetch(`${gateway.url}/results`)).status).toBe(401);
    expect((await fetch(`${gateway.url}/results/experiment/map.json`)).status).toBe(401);
  } finally {
    await gateway.close();
  }
});

test('of very many it has a thousand', async () => {
  await Promise.all(Array.from({ length: 1_010 }, (_, number) => write(`many/${number}.json`)));
  expect(await new ResultFiles([join(folder.path, 'many')]).list()).toHaveLength(1_000);
});
