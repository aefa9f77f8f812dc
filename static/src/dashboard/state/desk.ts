// The agent's side of the server: the list, the open conversation, and what is on its way.
//
// Frames and wishes meet here; what they mean is decided in list.ts and thread.ts, which know no sockets. listing.ts asks for the list.

import { signal } from "@preact/signals";
import type { Detail, Row } from "../contract";
import type { Keep } from "../../widget/keep";
import { Link, type LinkState } from "../../widget/link";
import type { Session } from "../../widget/session";
import type { ClientFrame, ServerFrame } from "../../wire";
import { Draw } from "./draw";
import type { DeskHears, DeskSays } from "./frames";
import type { List, View } from "./list";
import { Listing, type ListDeps } from "./listing";
import { type Enclosed, Post } from "./post";
import { Suggestions } from "./suggest";
import { applyDelta, applyEvent, newThread, type Open, prepend, type StaffEvent, type Thread } from "./thread";
import { Typists } from "./typists";

export interface Deps extends Omit<ListDeps, "send"> {
  keep: Keep;
  /** A one-time ticket in the place of a shopper's token. */
  ticket(): Promise<Session>;
  connect(protocols: string[]): WebSocket;
  /** undefined where the server does not tell. */
  detail(conv: string): Promise<Detail | undefined>;
  events(conv: string, before: number): Promise<{ events: StaffEvent[]; more: boolean }>;
  newId(): string;
  now(): number;
  random(): number;
  /** The server ended a connection it had welcomed, for good: what we may do has changed. */
  onClosed(): void;
}

const TYPING_EVERY_MS = 3_000;
const SEEN_MS = 250;
/** A conversation's id as the server writes it. */
const AN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Conversations whose events are kept after they were left. */
const KEPT_THREADS = 12;

export class Desk {
  readonly link = signal<LinkState>("idle");
  /** The open conversation; a new wrapper with every change of it. */
  readonly open = signal<Open | undefined>(undefined);
  readonly detail = signal<Detail | undefined>(undefined);
  /** The server knows no such conversation. */
  readonly missing = signal(false);
  readonly #listing: Listing;
  readonly #typing: Typists;
  readonly loadingEarlier = signal(false);
  #epoch: string | undefined;
  /** The conversation that the newest hello asked for. */
  #greeted: string | undefined;
  #welcomed = false;
  #kept = new Map<string, Thread>();
  #typedAt = 0;
  #seen = new Map<string, number>();
  #seeing: ReturnType<typeof setTimeout> | undefined;
  readonly #draw = new Draw(() => {
    const thread = this.open.value?.thread;
    if (thread) this.open.value = { thread };
  });
  readonly #link: Link;
  readonly #post: Post;
  readonly suggestions = new Suggestions((frame) => this.send(frame));

  constructor(private readonly deps: Deps) {
    this.#listing = new Listing({ ...deps, send: (frame) => this.send(frame) });
    this.#typing = new Typists(() => deps.now());
    this.#post = new Post({ ...deps, send: (frame) => this.send(frame), isMine: (conv) => this.isMine && this.open.value?.thread.conv === conv });
    this.#link = new Link({
      session: () => deps.ticket(),
      renew: () => deps.ticket(),
      connect: (protocols) => deps.connect(protocols),
      hello: () => this.#hello(),
      onFrame: (frame) => this.hear(frame as DeskHears),
      onState: (state) => this.#linked(state),
      now: () => deps.now(),
      random: () => deps.random(),
    });
  }

  get typists(): Typists["shown"] {
    return this.#typing.shown;
  }

  get letters(): Post["letters"] {
    return this.#post.letters;
  }

  get me(): string {
    return this.deps.me;
  }

  readonly start = (): void => this.#link.start();
  readonly wake = (): void => this.#link.wake();
  /** The network has gone: the socket may not hear of it for a minute, but a colleague should. */
  readonly sleep = (): void => (this.link.value === "online" ? this.#link.restart() : undefined);

  send(frame: DeskSays): boolean {
    return this.#link.send(frame as ClientFrame);
  }

  // The list

  readonly show = (view: View): void => this.#listing.show(view);
  readonly more = (): void => this.#listing.more();

  get list(): List {
    return this.#listing.list;
  }

  get listed(): Listing["listed"] {
    return this.#listing.listed;
  }

  row(conv: string): Row | undefined {
    return this.list.rows.get(conv) ?? (this.detail.value?.row.conv === conv ? this.detail.value.row : undefined);
  }

  // The open conversation

  visit(asked: string | undefined): void {
    // Somebody may have typed the address: a hello that names what is no id is refused whole.
    const conv = asked !== undefined && AN_ID.test(asked) ? asked : undefined;
    const left = this.open.value?.thread;
    if (left && left.conv === conv) return;
    if (left) {
      this.send({ t: "close", conv: left.conv });
      this.#kept.delete(left.conv);
      this.#kept.set(left.conv, left);
      if (this.#kept.size > KEPT_THREADS) this.#kept.delete(this.#kept.keys().next().value!);
    }
    this.typists.value = [];
    this.#typedAt = 0;
    this.detail.value = undefined;
    this.missing.value = conv !== asked;
    if (conv === undefined) {
      this.open.value = undefined;
      this.#post.opened(undefined);
      return;
    }
    const thread = this.#kept.get(conv) ?? newThread(conv);
    this.open.value = { thread };
    this.send({ t: "open", conv, seq: thread.seq });
    this.#post.opened(conv);
    void this.refresh();
  }

  /** Reads who the shopper is again. */
  async refresh(): Promise<void> {
    const conv = this.open.value?.thread.conv;
    if (!conv) return;
    try {
      const detail = await this.deps.detail(conv);
      if (detail && this.open.value?.thread.conv === conv) this.detail.value = detail;
    } catch (fault) {
      const { status, code, message } = fault as { status?: number; code?: string; message?: string };
      if (this.open.value?.thread.conv !== conv) return;
      // Whether there is such a conversation the socket says.
      if (status === 404 || status === 403 || status === 400) return;
      if (status !== 401 && status !== 0) this.deps.onFault(code ?? "other", message ?? "");
    }
  }

  async earlier(): Promise<void> {
    const thread = this.open.value?.thread;
    if (!thread || thread.first <= 1 || this.loadingEarlier.value) return;
    this.loadingEarlier.value = true;
    try {
      const { events } = await this.deps.events(thread.conv, thread.first);
      prepend(thread, events);
      this.#draw.soon();
    } catch (fault) {
      const { code, message } = fault as { code?: string; message?: string };
      this.deps.onFault(code ?? "other", message ?? "");
    } finally {
      this.loadingEarlier.value = false;
    }
  }

  /** Reads back until the event `seq` is there; whoever leaves in the meantime ends it. */
  async reach(seq: number): Promise<void> {
    const thread = this.open.value?.thread;
    while (thread && this.open.value?.thread === thread && thread.first > seq) {
      const before = thread.first;
      await this.earlier();
      if (thread.first === before) return;
    }
  }

  /** Everything that is shown was read by a person. A long conversation comes event by event: it is said once for a burst. */
  seen(): void {
    this.#seeing ??= setTimeout(() => {
      this.#seeing = undefined;
      this.#see();
    }, SEEN_MS);
  }

  #see(): void {
    const thread = this.open.value?.thread;
    if (!thread || thread.asked === 0 || (this.#seen.get(thread.conv) ?? 0) >= thread.seq) return;
    if (this.send({ t: "seen", conv: thread.conv, seq: thread.seq })) this.#seen.set(thread.conv, thread.seq);
  }

  get isMine(): boolean {
    const thread = this.open.value?.thread;
    return thread?.owner === "staff" && thread.staff === this.deps.me;
  }

  /** Sends a reply to the open conversation, once it can be sent. */
  say(text: string, enclosed: Enclosed = {}): void {
    const thread = this.open.value?.thread;
    if (!thread) return;
    this.#typedAt = 0;
    this.#post.say(thread.conv, text, enclosed);
  }

  readonly resend = (cmid: string): void => this.#post.resend(cmid);
  readonly discard = (cmid: string): void => this.#post.discard(cmid);

  typing(): void {
    const thread = this.open.value?.thread;
    const now = this.deps.now();
    if (!thread || now - this.#typedAt < TYPING_EVERY_MS) return;
    if (this.send({ t: "typing", conv: thread.conv })) this.#typedAt = now;
  }

  // Frames

  #hello(): ClientFrame {
    const thread = this.open.value?.thread;
    const known = thread !== undefined && thread.seq > 0;
    this.#greeted = thread?.conv;
    return { t: "hello", resume: thread ? [{ conv: thread.conv, seq: thread.seq }] : [], ...(this.#epoch !== undefined && known ? { epoch: this.#epoch } : {}) };
  }

  #linked(state: LinkState): void {
    this.link.value = state;
    this.#listing.linked(state === "online");
    this.suggestions.refused("offline");
    if (state === "closed" && this.#welcomed) this.deps.onClosed();
    if (state !== "online") return;
    this.#welcomed = true;
    this.#turned();
    this.#post.online();
  }

  /** Between hello and welcome nothing can be sent: a conversation that was opened then is asked for now. */
  #turned(): void {
    const thread = this.open.value?.thread;
    if (thread?.conv === this.#greeted) return;
    if (this.#greeted) this.send({ t: "close", conv: this.#greeted });
    if (thread) this.send({ t: "open", conv: thread.conv, seq: thread.seq });
  }

  hear(frame: DeskHears): void {
    const thread = this.open.value?.thread;
    switch (frame.t) {
      case "welcome":
        this.#epoch = frame.epoch;
        break;
      case "list":
      case "relist":
        this.#listing.hear(frame);
        break;
      case "rows":
        this.#listing.hear(frame);
        frame.gone.forEach((conv) => this.#kept.delete(conv));
        if (thread && frame.gone.includes(thread.conv)) [this.open.value, this.missing.value] = [{ thread: newThread(thread.conv) }, true];
        break;
      case "opened":
        if (frame.conv === thread?.conv) this.#draw.soon();
        break;
      case "hb":
        if (thread && (frame.heads[thread.conv] ?? 0) > thread.seq) this.#link.resume();
        break;
      case "reset":
        if (frame.conv === thread?.conv) this.open.value = { thread: newThread(frame.conv) };
        break;
      case "ack":
        this.#post.acked(frame.cmid);
        break;
      case "typing":
        if (frame.conv === thread?.conv && !("staff" in frame && frame.staff === this.deps.me)) this.#typing.add(frame.who, "staff" in frame ? frame.staff : undefined);
        break;
      case "suggestion":
        this.suggestions.hear(frame);
        break;
      case "error":
        this.#refused(frame);
        break;
      case "event":
      case "delta":
      case "queued":
        if (frame.conv === thread?.conv) this.#follow(thread, frame);
        break;
      case "bye":
        break;
    }
  }

  #follow(thread: Thread, frame: Extract<ServerFrame, { t: "event" | "delta" | "queued" }>): void {
    if (frame.t === "queued") thread.place = frame.position;
    else if (frame.t === "delta") {
      if (applyDelta(thread, frame) === "gap") this.#link.resume();
    } else if (applyEvent(thread, frame as StaffEvent) === "gap") this.#link.resume();
    else if (frame.kind === "said") {
      this.#post.seen(frame.cmid);
      this.#typing.wrote(frame.by);
    }
    this.#draw.soon();
  }

  #refused(error: Extract<ServerFrame, { t: "error" }>): void {
    const { code, cmid, message, retry_after: wait } = error;
    if (cmid) this.#post.refused(cmid, code, wait);
    else if (code !== "not_owner" && code !== "nothing_to_do" && this.suggestions.refused(code)) return;
    else if (code === "unknown_conversation" && this.open.value?.thread.seq === 0) this.missing.value = true;
    else if (code !== "nothing_to_do") this.deps.onFault(code, message);
  }
}
