// An agent's replies on their way, of every conversation: the agent may have left one before its reply could be sent.

import { signal } from "@preact/signals";
import type { Keep } from "../../widget/keep";
import { addressed, type Letter, Outbox } from "../../widget/outbox";
import type { DeskSays } from "./frames";

export interface PostDeps {
  keep: Keep;
  newId(): string;
  now(): number;
  send(frame: DeskSays): boolean;
  /** We answer it, as far as is known here. */
  isMine(conv: string): boolean;
}

/** What goes with a reply. */
export interface Enclosed {
  /** What the model had suggested. */
  draft?: string;
  /** The number of the model's reply that it also corrects. */
  corrects?: number;
}

export class Post {
  /** What the transcript of the open conversation does not show yet. */
  readonly letters = signal<Letter[]>([]);
  #open: string | undefined;
  /** Sent on this connection and not answered yet: letters, and their conversations. */
  #sent = new Map<string, string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #outbox: Outbox;

  constructor(private readonly deps: PostDeps) {
    this.#outbox = new Outbox(deps.keep, () => deps.newId(), () => deps.now());
  }

  opened(conv: string | undefined): void {
    this.#open = conv;
    this.flush();
  }

  /** What an earlier connection did not answer is sent again. */
  online(): void {
    this.#sent.clear();
    this.flush();
  }

  say(conv: string, text: string, { draft, corrects }: Enclosed): void {
    const { cmid } = this.#outbox.add(conv, text);
    if (draft) this.deps.keep.set(`pair.${cmid}`, draft);
    if (corrects) this.deps.keep.set(`correct.${cmid}`, { t: "correct", conv, seq: corrects, text } satisfies DeskSays);
    this.flush();
  }

  resend(cmid: string): void {
    this.#outbox.again(cmid);
    this.#sent.delete(cmid);
    this.flush();
  }

  discard(cmid: string): void {
    this.#outbox.remove(cmid);
    this.#forget(cmid);
    this.#show();
  }

  /** The server has it on its disk. */
  acked(cmid: string): void {
    this.#outbox.acked(cmid);
    this.#sent.delete(cmid);
    this.#correct(cmid);
    this.#forget(cmid);
    this.#show();
  }

  /** It is part of the transcript. */
  seen(cmid: string): void {
    this.#outbox.seen(cmid);
    this.#correct(cmid);
    this.#show();
  }

  refused(cmid: string, code: string, wait: number | undefined): void {
    this.#sent.delete(cmid);
    this.#outbox.refused(cmid, code, wait);
    this.#wait(addressed(this.deps.keep));
    this.#show();
  }

  /** Sends what can be sent; who answers takes the conversation over first. */
  flush(): void {
    const convs = addressed(this.deps.keep);
    for (const conv of convs) this.#send(conv);
    this.#wait(convs);
    this.#show();
  }

  #send(conv: string): void {
    for (const { cmid, text } of this.#outbox.due(conv)) {
      if (this.#sent.has(cmid)) continue;
      // A take-over that is not needed any more is refused, and harms nobody.
      if (!this.deps.isMine(conv) && ![...this.#sent.values()].includes(conv)) this.deps.send({ t: "take", conv });
      const draft = this.deps.keep.get<string>(`pair.${cmid}`);
      if (this.deps.send({ t: "say", conv, cmid, text, ...(draft && { draft }) })) this.#sent.set(cmid, conv);
    }
  }

  /** Looks again when the first of those that the server put off may be sent. */
  #wait(convs: string[]): void {
    clearTimeout(this.#timer);
    const waits = convs.flatMap((conv) => this.#outbox.nextDue(conv) ?? []);
    if (waits.length) this.#timer = setTimeout(() => this.flush(), Math.min(...waits) + 50);
  }

  /** Once, and not before the shopper has the reply. */
  #correct(cmid: string): void {
    const frame = this.deps.keep.get<DeskSays>(`correct.${cmid}`);
    if (frame && this.deps.send(frame)) this.deps.keep.set(`correct.${cmid}`, undefined);
  }

  #forget(cmid: string): void {
    for (const what of ["pair", "correct"]) this.deps.keep.set(`${what}.${cmid}`, undefined);
  }

  #show(): void {
    this.letters.value = this.#open ? this.#outbox.shown(this.#open) : [];
  }
}
