import { join } from 'node:path';
import { Command } from 'commander';
import { runCommand } from '../lib/cli/command.js';
import { writeResults } from '../lib/measure/page.js';
import { validate, validationText } from '../lib/measure/timed/validation.js';
import { repositoryRoot } from '../lib/repository.js';

const PAGE = join(repositoryRoot, 'docs', 'timed-engine.md');

const program = new Command('timed').description('What the timed engine is worth.');
program
  .command('validate')
  .description(
    'Compares its cost model with published measurements that it was not fitted to; takes seconds.',
  )
  .option('--docs', 'write the tables into docs/timed-engine.md')
  .action(({ docs }: { docs?: true }) => {
    const results = validationText(validate());
    console.log(results);
    if (docs !== undefined) writeResults(results, PAGE);
  });
await runCommand(program);
