/**
 * Waits until all tasks have stopped. The first failure aborts the rest through `controller`, whose signal they
 * watch, and is thrown once none runs any more; so is the reason if the controller is aborted from outside.
 */
export async function allOrAbort<Result>(
  tasks: readonly Promise<Result>[],
  controller: AbortController,
): Promise<Result[]> {
  for (const task of tasks) task.catch((reason: unknown) => controller.abort(reason));
  await Promise.allSettled(tasks);
  controller.signal.throwIfAborted();
  return Promise.all(tasks);
}
