// The frame as a whole: frames of the server and wishes of the shopper meet here.

import { Bridge } from "./bridge";
import { uuidv7 } from "./ids";
import type { Keep } from "./keep";
import { Link, type LinkState } from "./link";
import { Outbox } from "./outbox";
import { type Session, Sessions } from "./session";
import { apply, type Line, newTalk, prepend, type Talk, type Thumb } from "./talk";
import { faultText, fill, noteText, type Texts } from "./texts";
import type { PageSays } from "../shared";
import type { ClientFrame, ServerFrame, WireEvent } from "../wire";
import { Frame, type Look } from "./view/frame";

export interface Setting {
  root: HTMLElement;
  keep: Keep;
  texts: Texts;
  lang: string;
  /** The shop's page around us, if there is one. */
  origin: string | undefined;
  /** The shop's page is about to say who the shopper is. */
  vouched: boolean;
}

const PLAIN: Look = { name: "", assistant: "…", color: "", greeting: "", suggestions: [], hours: "" };
/** Faults and waits are said for this long. */
const FAULT_MS = 8_000;
/** The shop's page may take this long to say who the shopper is. */
const VOUCHED_MS = 3_000;
const TYPING_EVERY_MS = 3_000;
const TYPING_SHOWN_MS = 6_000;

export class App {
  #talk: Talk = newTalk("");
  #look: Look = PLAIN;
  #epoch: string | undefined;
  /** The shop's word on who this is. */
  #jwt = "";
  #begun = false;
  /** Where the shopper is, as the shop's page says. */
  #page: Extract<PageSays, { t: "page" }> | undefined;
  /** The shop vouched for who this shopper is. */
  #verified = false;
  /** The newest event when the server last said welcome: what comes up to it is history. */
  #head = 0;
  #fault = "";
  #faultTimer: ReturnType<typeof setTimeout> | undefined;
  #sendTimer: ReturnType<typeof setTimeout> | undefined;
  #drawTimer: ReturnType<typeof setTimeout> | undefined;
  #staffTypedAt = 0;
  #typedAt = 0;
  #open: boolean;
  /** Messages that are on their way on this connection. */
  #sent = new Set<string>();
  /** Things to say once there is a connection, other than messages. */
  #later: (ClientFrame & { conv: string })[] = [];
  readonly #sessions: Sessions;
  readonly #outbox: Outbox;
  readonly #link: Link;
  readonly #bridge: Bridge;
  readonly #frame: Frame;

  constructor(private readonly setting: Setting) {
    const { keep, texts, lang, root } = setting;
    const framed = window.parent !== window;
    this.#open = !framed;
    this.#sessions = new Sessions(keep, (input, init) => fetch(input, init));
    this.#outbox = new Outbox(keep, () => uuidv7(), Date.now);
    this.#link = new Link({
      session: () => this.#sessions.open(),
      renew: (stale) => this.#sessions.renew(stale),
      connect: (protocols) => new WebSocket(`${location.origin.replace(/^http/, "ws")}/v1/ws`, protocols),
      hello: (session) => this.#hello(session),
      onFrame: (frame) => this.#hear(frame),
      onState: (state) => this.#linked(state),
      now: Date.now,
      random: Math.random,
    });
    this.#bridge = new Bridge(setting.origin, (message) => {
      if (message.t === "identify") {
        this.#jwt = message.jwt;
        if (this.#begun && this.#jwt) void this.#identify();
      } else if (message.t === "page") {
        this.#page = message;
        this.#tellPage();
      } else this.#opened(message.t === "open");
    });
    this.#frame = new Frame(
      root,
      texts,
      lang,
      {
        send: (text) => this.#send(text),
        stop: () => this.#say({ t: "stop", conv: this.#talk.conv }),
        draft: (text) => keep.set("draft", text || undefined),
        typing: () => this.#typing(),
        retry: () => this.#say({ t: "retry", conv: this.#talk.conv }),
        rate: (line, value, comment) => this.#rate(line, value, comment),
        resend: (cmid) => {
          this.#outbox.again(cmid);
          this.#flush();
        },
        discard: (cmid) => {
          this.#outbox.remove(cmid);
          this.#draw();
        },
        person: () => this.#say({ t: "person", conv: this.#talk.conv }, true),
        mail: (email) => this.#say({ t: "contact", conv: this.#talk.conv, email }, true),
        assistant: () => this.#say({ t: "assistant", conv: this.#talk.conv }, true),
        close: () => this.#bridge.say({ t: "close" }),
        reconnect: () => this.#link.start(),
        earlier: () => void this.#earlier(),
      },
      () => this.#draw(),
      { draft: keep.get<string>("draft") ?? "", framed },
    );
  }

  start(): void {
    const known = this.#sessions.current;
    if (known) this.#talk = newTalk(known.conversation);
    this.#verified = known?.verified === true;
    const kept = this.setting.keep.get<Look>(`look.${this.setting.lang}`);
    if (kept) this.#look = kept;
    void this.#fetchLook();
    this.#draw();
    if (known || this.#open) this.#begin();
    // Another tab wrote or sent something, or is somebody else now. A page that comes back whole was told of nothing meanwhile.
    const look = (): void => {
      const { conv } = this.#talk;
      if (conv && conv !== this.#sessions.current?.conversation) {
        this.#leave();
        this.#talk = newTalk("");
        this.#link.restart();
      }
      this.#draw();
    };
    window.addEventListener("storage", look);
    const wake = (): void => {
      look();
      this.#link.wake();
    };
    for (const event of ["pageshow", "online", "focus"]) window.addEventListener(event, wake);
    document.addEventListener("visibilitychange", () => document.hidden || wake());
    window.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) this.#bridge.say({ t: "close" });
    });
    this.#bridge.say({ t: "ready" });
  }

  async #fetchLook(): Promise<void> {
    try {
      const reply = await fetch(`/v1/shopper/look?lang=${encodeURIComponent(this.setting.lang)}`);
      if (!reply.ok) return;
      this.#look = (await reply.json()) as Look;
      this.setting.keep.set(`look.${this.setting.lang}`, this.#look);
      this.#draw();
    } catch {
      // The connection says it; the look is asked for again with it.
    }
    this.#bridge.say({ t: "look", color: this.#look.color, title: this.#look.assistant });
  }

  /** Connects, once there is somebody to connect for: a pointer that passes by makes no conversation. */
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    if (this.#jwt) void this.#identify();
    // A shopper whom the shop knows is not made a stranger first.
    else setTimeout(() => this.#jwt || this.#link.start(), this.setting.vouched ? VOUCHED_MS : 0);
  }

  async #identify(): Promise<void> {
    const jwt = this.#jwt;
    try {
      await this.#sessions.identify(jwt);
      // Somebody else meanwhile: the newest word counts, whichever answer came last.
      if (this.#jwt && jwt !== this.#jwt) return void this.#identify();
      this.#link.restart();
    } catch {
      // The chat works without a name, too.
      this.#link.start();
    }
  }

  #hello(session: Session): ClientFrame {
    if (session.conversation !== this.#talk.conv) {
      // What an unknown shopper wrote goes along; what a known one wrote is not for the next one.
      if (!this.#leave()) this.#outbox.move(this.#talk.conv, session.conversation);
      this.#talk = newTalk(session.conversation);
      this.#frame.announcer.element.textContent = "";
    }
    this.#verified = session.verified === true;
    const { conv, seq } = this.#talk;
    return { t: "hello", resume: [{ conv, seq }], epoch: seq ? this.#epoch : undefined };
  }

  /** True if a shopper whom the shop knows was here: the next one gets nothing of theirs, not even what they had begun to write. */
  #leave(): boolean {
    const known = this.#verified;
    if (known) this.#frame.composer.clear();
    this.#verified = false;
    return known;
  }

  #hear(frame: ServerFrame): void {
    const talk = this.#talk;
    switch (frame.t) {
      case "welcome":
        this.#head = frame.heads[talk.conv] ?? 0;
        this.#epoch = frame.epoch;
        break;
      case "hb":
        if ((frame.heads[talk.conv] ?? 0) > talk.seq) this.#link.resume();
        break;
      case "reset":
        // What comes next are the newest events, from wherever they begin.
        if (frame.conv === talk.conv) this.#talk = { ...newTalk(talk.conv), anywhere: true };
        break;
      case "ack":
        this.#outbox.acked(frame.cmid);
        break;
      case "contact":
        this.setting.keep.set(`mail.${frame.conv}`, frame.email);
        break;
      case "typing":
        if (frame.who === "staff" && frame.conv === talk.conv) {
          this.#staffTypedAt = Date.now();
          setTimeout(() => this.#draw(), TYPING_SHOWN_MS + 100);
        }
        break;
      case "error":
        this.#refused(frame);
        break;
      case "bye":
        return;
      default:
        if (apply(talk, frame) === "gap") this.#link.resume();
        else this.#tell(frame);
    }
    this.#draw();
  }

  /** Reads what a reset left out, page by page. */
  async #earlier(): Promise<void> {
    const talk = this.#talk;
    const session = this.#sessions.current;
    try {
      const reply = await fetch(`/v1/shopper/history?conv=${talk.conv}&before=${talk.first}`, { headers: { Authorization: `Bearer ${session?.token}` } });
      if (!reply.ok) throw new Error(String(reply.status));
      prepend(talk, ((await reply.json()) as { events: WireEvent[] }).events);
      this.#draw();
    } catch {
      this.#complain(faultText(this.setting.texts, "other"));
    }
  }

  /** Tells a screen reader what is new: not the history. */
  #tell(frame: ServerFrame): void {
    if (frame.t !== "event" && frame.t !== "delta") return;
    const { announcer } = this.#frame;
    const fresh = frame.t === "delta" || frame.seq > this.#head;
    if (frame.t === "delta") announcer.reply(frame.mid, this.#talk.live?.mid === frame.mid ? this.#talk.live.text : "", false);
    else if (frame.kind === "said") {
      this.#outbox.seen(frame.cmid);
      if (fresh && frame.by === "staff") announcer.say(frame.text);
    } else if (frame.kind === "reply" && fresh) announcer.reply(frame.mid, frame.text, true);
    else if (frame.kind === "owner" && fresh) announcer.say(noteText(this.setting.texts, this.#talk.lines.at(-1)?.note ?? frame.owner));
  }

  #refused(error: Extract<ServerFrame, { t: "error" }>): void {
    const { texts } = this.setting;
    const { code, cmid, retry_after: wait } = error;
    if (cmid) {
      this.#sent.delete(cmid);
      this.#outbox.refused(cmid, code, wait);
    }
    if (cmid && wait && code === "rate_limited") this.#complain(fill(texts.wait, wait), wait * 1000);
    else if (wait || !cmid) this.#complain(faultText(texts, code), wait && wait * 1000);
    this.#flush();
  }

  #complain(text: string, ms = FAULT_MS): void {
    this.#fault = text;
    clearTimeout(this.#faultTimer);
    this.#faultTimer = setTimeout(() => {
      this.#fault = "";
      this.#draw();
    }, ms);
    this.#draw();
  }

  #linked(state: LinkState): void {
    if (state === "online") {
      this.#sent.clear();
      if (this.#look === PLAIN) void this.#fetchLook();
      // What was written before a wish comes before it.
      this.#flush();
      for (const frame of this.#later.splice(0)) this.#say({ ...frame, conv: frame.conv || this.#talk.conv }, true);
      this.#tellPage();
    }
    this.#draw();
  }

  #tellPage(): void {
    const { address, title } = this.#page ?? {};
    if (address) this.#say({ t: "page", conv: this.#talk.conv, address: address.slice(0, 2048), title: String(title).slice(0, 200) });
  }

  #send(text: string): void {
    this.#outbox.add(this.#talk.conv, text);
    // A message takes the sign away on the other side: the next letter must bring it back at once.
    this.#typedAt = 0;
    this.#frame.toEnd();
    this.#flush();
  }

  /** Sends what may be sent and was not yet on this connection, and comes back for what has to wait. */
  #flush(): void {
    const { conv } = this.#talk;
    for (const { cmid, text } of this.#outbox.due(conv)) {
      if (!this.#sent.has(cmid) && this.#link.send({ t: "say", conv, cmid, text })) this.#sent.add(cmid);
    }
    clearTimeout(this.#sendTimer);
    const wait = this.#outbox.nextDue(conv);
    if (wait !== undefined) this.#sendTimer = setTimeout(() => this.#flush(), wait + 50);
    this.#draw();
  }

  #say(frame: ClientFrame & { conv: string }, keep = false): void {
    if (!this.#link.send(frame) && keep) this.#later = [...this.#later.filter((one) => one.t !== frame.t || frame.t === "rate"), frame];
  }

  #rate(line: Line, value: Thumb, comment?: string): void {
    line.thumb = value;
    this.#say({ t: "rate", conv: this.#talk.conv, seq: line.seq, value, comment: comment || undefined }, true);
    this.#draw();
  }

  #typing(): void {
    const now = Date.now();
    if (this.#talk.owner === "ai" || now - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = now;
    this.#say({ t: "typing", conv: this.#talk.conv });
  }

  #opened(open: boolean): void {
    this.#open = open;
    if (open) {
      this.#begin();
      this.#frame.toEnd();
      this.#frame.composer.focus();
      this.#link.wake();
    }
    this.#draw();
  }

  /** Draws soon: many pieces in a row are one change. Not by animation frames, which hidden pages do not get. */
  #draw(): void {
    this.#drawTimer ??= setTimeout(() => {
      this.#drawTimer = undefined;
      const talk = this.#talk;
      this.#frame.update({
        talk,
        letters: this.#outbox.shown(talk.conv),
        link: this.#link.state,
        look: this.#look,
        staffTyping: Date.now() - this.#staffTypedAt < TYPING_SHOWN_MS,
        fault: this.#fault,
        mail: this.setting.keep.get<string>(`mail.${talk.conv}`),
      });
      this.#countUnread();
    }, 16);
  }

  #countUnread(): void {
    const { keep } = this.setting;
    const { conv, lines, seq } = this.#talk;
    const read = keep.get<{ conv: string; seq: number }>("read");
    const from = read?.conv === conv ? read.seq : 0;
    let count = 0;
    if (!this.#open || document.hidden) count = lines.filter((line) => line.seq > from && (line.kind === "reply" || line.kind === "staff")).length;
    else if (seq > from && conv) keep.set("read", { conv, seq });
    this.#bridge.say({ t: "unread", count });
  }
}
