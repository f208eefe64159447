import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { upCommand } from '../../../scripts/lib/local/up-options.js';
import { callerModel, callerPath } from '../../../scripts/lib/cli/options.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();
const before = process.env['INIT_CWD'];
const standAt = (where: string | undefined): void => {
  if (where === undefined) delete process.env['INIT_CWD'];
  else process.env['INIT_CWD'] = where;
};
afterEach(() => standAt(before));

describe('a path in an option', () => {
  it('is relative to where the user stands, whom npm has moved into the repository', async () => {
    standAt(folder.path);
    await writeFile(join(folder.path, 'mine'), '');
    expect(callerPath('rows.json')).toBe(join(folder.path, 'rows.json'));
    expect(callerPath('/rows.json')).toBe('/rows.json');
    expect(callerModel('mine')).toBe(join(folder.path, 'mine'));
    expect(callerModel('./my.gguf')).toBe(join(folder.path, 'my.gguf'));
    let model: unknown;
    const command = upCommand((options) => Promise.resolve(void (model = options.model)));
    await command.parseAsync(['node', 'up', '--model', './my.gguf', '--model', 'org/name']);
    expect(model).toEqual([join(folder.path, 'my.gguf'), 'org/name']);
  });

  it('is relative to the working folder where npm is not between', () => {
    standAt(undefined);
    expect(callerPath('rows.json')).toBe(join(process.cwd(), 'rows.json'));
  });

  it('that is a Hub id stays one', () => {
    standAt(folder.path);
    expect(callerModel('org/name')).toBe('org/name');
    expect(callerModel('org/name:file.Q4.gguf')).toBe('org/name:file.Q4.gguf');
  });
});
