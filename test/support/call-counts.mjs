/**
 * Counts the calls of every function of a service, in all its threads, between two SIGUSR2, and again between the next
 * two: to be loaded with `NODE_OPTIONS=--import=…/call-counts.mjs`. Of each count it writes a file of each thread into
 * the folder CALL_COUNTS, whose name ends with the count's number: of each function its file, its offset and its calls.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';

const session = new Session();
session.connect();
session.post('Profiler.enable');
let counting = false;
let number = 0;

function toggle() {
  counting = !counting;
  if (counting) {
    session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    return;
  }
  session.post('Profiler.takePreciseCoverage', (error, coverage) => {
    if (error !== null) throw error;
    // What begins where the file does is the module itself, which is told of as long as it is in memory.
    const counts = coverage.result.flatMap(({ url, functions }) =>
      functions
        .map(({ ranges: [{ startOffset, count }] }) => [url, startOffset, count])
        .filter(([, startOffset, count]) => startOffset > 0 && count > 0),
    );
    const name = `${process.pid}-${threadId}-${number++}.json`;
    writeFileSync(join(process.env.CALL_COUNTS, name), JSON.stringify(counts));
  });
  session.post('Profiler.stopPreciseCoverage');
}

const threads = new BroadcastChannel('call-counts');
threads.unref();
if (isMainThread) {
  process.on('SIGUSR2', () => {
    threads.postMessage('toggle');
    toggle();
  });
} else {
  threads.onmessage = toggle;
}
