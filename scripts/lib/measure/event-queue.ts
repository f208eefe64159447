/** Something that is to happen in a simulation. */
export interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** What is to happen, the earliest first, and of two at the same time the one that was planned first: a binary heap. */
export class EventQueue {
  readonly #events: Event[] = [];
  #order = 0;

  /** The next; undefined where there is none. */
  get next(): Event | undefined {
    return this.#events[0];
  }

  push(at: number, run: () => void): Event {
    const event: Event = { at, order: this.#order++, run, cancelled: false };
    const events = this.#events;
    let place = events.push(event) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (isBefore(events[parent]!, event)) break;
      events[place] = events[parent]!;
      place = parent;
    }
    events[place] = event;
    return event;
  }

  /** Takes the next out. */
  pop(): Event | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    const { length } = events;
    if (last === undefined || length === 0) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(events[child + 1]!, events[child]!)) child++;
      if (isBefore(last, events[child]!)) break;
      events[place] = events[child]!;
      place = child;
    }
    events[place] = last;
    return first;
  }
}

const isBefore = (one: Event, other: Event): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);
