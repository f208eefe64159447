import { resolve } from 'node:path';
import { runCommand } from './lib/command.js';
import { renderCommand } from './lib/k8s/render-options.js';
import { writeOverlay } from './lib/k8s/write-overlay.js';

await runCommand(
  renderCommand(async (options) => {
    const folder = resolve(options.out);
    await writeOverlay(folder, options);
    console.log(folder);
  }),
);
