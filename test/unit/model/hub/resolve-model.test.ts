import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../../../../services/lib/config/environment.js';
import type { DownloadProgress } from '../../../../services/lib/model/hub/fetch-model.js';
import { openCheckpoint } from '../../../../services/lib/model/open-checkpoint.js';
import { resolveModel } from '../../../../services/lib/model/hub/resolve-model.js';
import { FAKE_COMMIT, startFakeHub, type FakeFile, type FakeHub } from '../../../support/model/fake-hub.js';
import { writeGguf } from '../../../support/model/gguf-writer.js';
import { writeSafetensors } from '../../../support/model/safetensors-writer.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import { tinyGguf, tinyJson, tinySafetensors, tinyTokenizer } from '../../../support/model/tiny-model.js';

const folder = temporaryFolder();
let homes = 0;
let hub: FakeHub;
afterEach(() => hub.close());

const file = (content: object | string): FakeFile => ({
  content: content instanceof Uint8Array ? Buffer.from(content) : Buffer.from(JSON.stringify(content)),
});

const tinyFiles: Record<string, FakeFile> = {
  'README.md': file('not a part of the model'),
  'config.json': file(tinyJson),
  'tokenizer.json': file(tinyTokenizer),
  'model.safetensors': file(writeSafetensors(tinySafetensors())),
  'gguf/tiny-q8.gguf': file(writeGguf(tinyGguf())),
};

/** Starts a Hub with these files and gives an environment that knows only it, with an empty cache. */
async function environmentFor(
  files: Record<string, FakeFile>,
  variables: Record<string, string> = {},
): Promise<{ home: string; environment: Environment }> {
  hub = await startFakeHub(files);
  const home = join(folder.path, `home-${homes++}`);
  return {
    home,
    environment: { HF_HOME: home, HF_ENDPOINT: `${hub.endpoint}/`, ...variables },
  };
}

const blobsOf = (home: string) => readdir(join(home, 'hub', 'models--org--name', 'blobs'));

describe('resolveModel', () => {
  it('takes a path as it is', async () => {
    const { environment } = await environmentFor({});
    expect(await resolveModel(folder.path, {}, environment)).toBe(folder.path);
    expect(hub.requests).toEqual([]);
  });

  it("fetches a model's files, and only those, into Hugging Face's cache", async () => {
    const { home, environment } = await environmentFor(tinyFiles, { HF_TOKEN: 'hf_secret' });
    const progress: DownloadProgress[] = [];
    const path = await resolveModel('org/name', { onProgress: (each) => progress.push(each) }, environment);

    expect(path).toBe(join(home, 'hub', 'models--org--name', 'snapshots', FAKE_COMMIT));
    expect((await readdir(path)).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(await readFile(join(home, 'hub', 'models--org--name', 'refs', 'main'), 'utf8')).toBe(FAKE_COMMIT);
    expect([...hub.tokens]).toEqual(['Bearer hf_secret']);
    const size = tinyFiles['model.safetensors']!.content.length;
    expect(progress).toContainEqual({ file: 'model.safetensors', received: size, total: size });

    const checkpoint = await openCheckpoint(path, undefined, folder.path);
    expect(checkpoint.config.name).toBe('org/name');
    await checkpoint.close();
  });

  it('fetches nothing twice, and offline asks for nothing', async () => {
    const { home, environment } = await environmentFor(tinyFiles);
    const path = await resolveModel('org/name', {}, environment);
    hub.requests.length = 0;
    expect(await resolveModel('org/name', {}, environment)).toBe(path);
    expect(hub.requests.filter((request) => request.includes('/resolve/'))).toEqual([]);

    hub.requests.length = 0;
    const offline = { HF_HOME: home, HF_ENDPOINT: hub.endpoint, HF_HUB_OFFLINE: '1' };
    expect(await resolveModel('org/name', {}, offline)).toBe(path);
    await expect(resolveModel('org/other', {}, offline)).rejects.toMatchObject({
      code: 'model_path_missing',
    });
    expect(hub.requests).toEqual([]);
  });

  it('fetches one GGUF file', async () => {
    const { environment } = await environmentFor(tinyFiles);
    const path = await resolveModel('org/name:gguf/tiny-q8.gguf', {}, environment);
    expect(await readFile(path)).toEqual(tinyFiles['gguf/tiny-q8.gguf']!.content);
    expect(hub.requests.filter((request) => request.includes('config.json'))).toEqual([]);
  });

  it('keeps nothing of a file whose digest is not as listed', async () => {
    const damaged = { ...tinyFiles['model.safetensors']!, sha256: 'f'.repeat(64) };
    const { home, environment } = await environmentFor({ ...tinyFiles, 'model.safetensors': damaged });
    await expect(resolveModel('org/name', {}, environment)).rejects.toMatchObject({
      code: 'download_failed',
      message: 'model.safetensors did not arrive whole: its sha256 differs',
    });
    expect(await blobsOf(home)).toHaveLength(2);
    await expect(readdir(join(home, 'hub', 'models--org--name', 'refs'))).rejects.toThrow('ENOENT');
  });

  it('keeps nothing of a download that is aborted', async () => {
    const stalling = { ...tinyFiles['model.safetensors']!, stalls: true };
    const { home, environment } = await environmentFor({ 'model.safetensors': stalling });
    const abort = new AbortController();
    const onProgress = () => abort.abort(new Error('enough'));
    await expect(resolveModel('org/name', { signal: abort.signal, onProgress }, environment)).rejects.toThrow(
      'enough',
    );
    expect(await blobsOf(home)).toEqual([]);
  });

  it.each([
    ['org/unknown', 'model_path_missing', 'there is neither a path org/unknown nor such a model'],
    ['org/name:other.gguf', 'model_path_missing', 'org/name has no file other.gguf'],
    ['./nothing', 'model_path_missing', 'there is no file or folder ./nothing'],
    ['models/nothing.gguf', 'model_path_missing', 'there is no file or folder models/nothing.gguf'],
    ['org/..', 'model_path_missing', 'there is no file or folder org/..'],
  ])('refuses %s', async (text, code, message) => {
    const { environment } = await environmentFor(tinyFiles);
    await expect(resolveModel(text, {}, environment)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it('says how to choose from a model that has only GGUF files', async () => {
    const { environment } = await environmentFor({ 'a.gguf': tinyFiles['gguf/tiny-q8.gguf']! });
    await expect(resolveModel('org/name', {}, environment)).rejects.toMatchObject({
      code: 'not_a_checkpoint',
      hint: 'name one of its GGUF files, such as org/name:file.gguf',
    });
  });

  it('says when the Hub cannot be reached', async () => {
    const { environment } = await environmentFor({});
    await hub.close();
    await expect(resolveModel('org/name', {}, environment)).rejects.toMatchObject({
      code: 'download_failed',
    });
  });
});
