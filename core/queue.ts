/**
 * A first-in-first-out queue without a shift that moves what is behind: two cursors move instead. An emptied queue keeps its
 * places, because V8 would free and make them again for each item of a queue that is empty most of the time.
 */
export type Queue<T> = { items: (T | undefined)[]; head: number; tail: number };

export function createQueue<T>(): Queue<T> {
  return { items: [], head: 0, tail: 0 };
}

export function queueLength<T>(queue: Queue<T>): number {
  return queue.tail - queue.head;
}

export function enqueue<T>(queue: Queue<T>, item: T): void {
  // Most queues of a small exchange never hold a second item, and V8 would make place for seventeen at the first.
  if (queue.items.length === 0) queue.items = [item];
  else queue.items[queue.tail] = item;
  queue.tail++;
}

/** The item that is `index` places behind the first. */
export function queueItem<T>(queue: Queue<T>, index: number): T | undefined {
  return queue.items[queue.head + index];
}

export function dequeue<T>(queue: Queue<T>): T | undefined {
  const { items, head } = queue;
  if (head === queue.tail) return undefined;
  const item = items[head];
  items[head] = undefined;
  queue.head = head + 1;
  if (queue.head === queue.tail) {
    if (queue.tail > KEPT_MAX) clearQueue(queue);
    queue.head = 0;
    queue.tail = 0;
  } else if (queue.head >= COMPACT_FROM && queue.head * 2 >= queue.tail) {
    items.splice(0, queue.head);
    queue.tail -= queue.head;
    queue.head = 0;
  }
  return item;
}

/** Puts an item in the place of the first, which a queue that is not empty has. */
export function replaceFirst<T>(queue: Queue<T>, item: T): void {
  queue.items[queue.head] = item;
}

export function clearQueue<T>(queue: Queue<T>): void {
  if (queue.items.length > 0) queue.items = [];
  queue.head = 0;
  queue.tail = 0;
}

/** Moving fewer is not worth the call, and half of the array is free by then: each item is moved once on average. */
const COMPACT_FROM = 64;
/** What a burst made longer gives its memory back. */
const KEPT_MAX = 1_024;
