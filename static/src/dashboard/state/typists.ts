// Who is writing in the open conversation, as far as the page was told lately.

import { signal } from "@preact/signals";

export interface Typist {
  who: "shopper" | "staff" | "ai";
  staff?: string;
  at: number;
}

export const TYPING_SHOWN_MS = 6_000;

export class Typists {
  readonly shown = signal<Typist[]>([]);

  constructor(private readonly now: () => number) {}

  add(who: Typist["who"], staff?: string): void {
    this.shown.value = [...this.shown.value.filter((one) => one.who !== who || one.staff !== staff), { who, staff, at: this.now() }];
    setTimeout(() => {
      this.shown.value = this.shown.value.filter((one) => one.at + TYPING_SHOWN_MS > this.now());
    }, TYPING_SHOWN_MS + 50);
  }

  /** What was being written has come. */
  wrote(who: Typist["who"]): void {
    this.shown.value = this.shown.value.filter((one) => one.who !== who);
  }
}
