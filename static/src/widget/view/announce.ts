// What a screen reader is told: whole sentences of a streaming reply, never single words.

import { h } from "../dom";

const KEPT = 12;
/** Up to the end of the last finished sentence or line. */
const FINISHED = /^[\s\S]*(?:[.!?…](?=\s)|[。！？؟]|\n)/;

export class Announcer {
  readonly element = h("div", { class: "sr", role: "log", "aria-live": "polite" });
  #spoken = new Map<string, number>();

  /** A reply so far; `done` says that nothing more comes. */
  reply(mid: string, text: string, done: boolean): void {
    const from = this.#spoken.get(mid) ?? 0;
    const rest = text.slice(from);
    const ready = done ? rest : (FINISHED.exec(rest)?.[0] ?? "");
    this.#spoken.set(mid, done ? Infinity : from + ready.length);
    this.say(ready);
  }

  say(text: string): void {
    const plain = text.replace(/[*_`#]+/g, "").trim();
    if (!plain) return;
    this.element.append(h("p", { dir: "auto" }, plain));
    while (this.element.childElementCount > KEPT) this.element.firstChild!.remove();
  }
}
