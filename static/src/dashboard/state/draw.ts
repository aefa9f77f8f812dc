// Many changes, few drawings: the first one is drawn at once, those that follow within a frame together.

const FRAME_MS = 16;

export class Draw {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = -FRAME_MS;

  constructor(private readonly act: () => void) {}

  readonly soon = (): void => {
    // Not by animation frames: the tab's title is right in a page that nobody looks at, which has none.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#last = performance.now();
      this.act();
    }, Math.max(0, this.#last + FRAME_MS - performance.now()));
  };
}
