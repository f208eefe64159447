/** Cuts a stream of server-sent events into the data of each, whatever pieces it arrives in. */
export class SseData {
  #rest = '';

  /** The data lines that are complete with this piece, without `[DONE]`. */
  push(text: string): string[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    return lines.flatMap((line) => {
      const data = line.startsWith('data:') ? line.slice('data:'.length).trim() : '';
      return data === '' || data === '[DONE]' ? [] : [data];
    });
  }
}
