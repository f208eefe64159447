// The numbers of ADR 020: what a process takes until it has loaded its code and finds that it has no configuration, of the
// bundles and of the single modules, by turns.
//     npm run build && node docs/adr/020-a-file-for-each-process/measure.mjs
import { spawnSync } from 'node:child_process';

const ROUNDS = 7;
const PROGRAMS = ['gateway', 'stage'].flatMap((name) => [`services/${name}/main.js`, `${name}/main.js`]);
const SAY = `data:text/javascript,process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify({ ms: (user + system) / 1000, mb: process.memoryUsage.rss() / 1e6 }));
});`;

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

const runs = new Map(PROGRAMS.map((program) => [program, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [program, of] of runs) {
    const { stdout } = spawnSync(process.execPath, ['--import', SAY, `dist/${program}`], {
      env: {},
      encoding: 'utf8',
    });
    of.push(JSON.parse(stdout));
  }
}
for (const [program, of] of runs) {
  const [ms, mb] = ['ms', 'mb'].map((figure) => median(of.map((run) => run[figure])).toFixed(0));
  console.log(`${program}: ${ms} ms of processor time, ${mb} MB (medians of ${ROUNDS})`);
}
