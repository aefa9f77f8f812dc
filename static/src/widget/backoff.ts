// How long to wait before the next attempt to connect: full jitter, so that a restarted server is not met by everybody
// at once.

const FIRST_MS = 500;
const LONGEST_MS = 30_000;
/** A connection that lived this long counts as healthy, and the waits start over. */
export const HEALTHY_MS = 30_000;

export class Backoff {
  #attempt = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** Milliseconds until the next attempt, from 0.5 to 30 s. */
  next(): number {
    const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** ++this.#attempt);
    return FIRST_MS + this.random() * (ceiling - FIRST_MS);
  }

  /** Tells how long the last connection lived. */
  lived(ms: number): void {
    if (ms >= HEALTHY_MS) this.#attempt = 0;
  }

  reset(): void {
    this.#attempt = 0;
  }
}
