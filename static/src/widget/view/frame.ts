// The whole window of the chat: header, notices, conversation, composer.

import { palette } from "../color";
import { button, h, icon, iconButton, setText, show } from "../dom";
import type { LinkState } from "../link";
import type { Letter } from "../outbox";
import { isReplying, type Talk } from "../talk";
import { fill, type Texts } from "../texts";
import { Announcer } from "./announce";
import { Composer, type ComposerWishes } from "./composer";
import { Rich } from "./rich";
import { Transcript, type Wishes } from "./transcript";

/** What the shop says about itself: `GET /v1/shopper/look`. */
export interface Look {
  name: string;
  assistant: string;
  color: string;
  greeting: string;
  suggestions: string[];
  hours: string;
}

export interface FrameWishes extends Wishes, ComposerWishes {
  person(): void;
  assistant(): void;
  mail(address: string): void;
  close(): void;
  reconnect(): void;
  earlier(): void;
}

export interface Picture {
  talk: Talk;
  letters: Letter[];
  link: LinkState;
  look: Look;
  staffTyping: boolean;
  /** A sentence about something that did not work, or about a wait. */
  fault: string;
  /** The address this shopper left. */
  mail: string | undefined;
}

/** Closer to the end than this counts as reading the end. */
const NEAR_END = 60;

export class Frame {
  readonly announcer = new Announcer();
  readonly composer: Composer;
  #transcript: Transcript;
  #title = h("h1");
  #subtitle = h("p", { class: "subtitle" });
  #avatar = h("span", { class: "avatar", "aria-hidden": "true" });
  #person: HTMLButtonElement;
  #connection: HTMLElement;
  #connectionText = h("span");
  #connect: HTMLButtonElement;
  #queue: HTMLElement;
  #queueTitle = h("strong");
  #queueHours = h("p");
  #mail = h("form", { class: "row" });
  #fault = h("p", { class: "fault", role: "alert" });
  #welcome: HTMLElement;
  #greeting: Rich;
  #suggestions: HTMLElement;
  #scroll: HTMLElement;
  #latest: HTMLButtonElement;
  #earlier: HTMLButtonElement;
  #look: Look | undefined;
  #following = true;

  constructor(
    root: HTMLElement,
    private readonly texts: Texts,
    lang: string,
    private readonly wishes: FrameWishes,
    changed: () => void,
    options: { draft: string; framed: boolean },
  ) {
    this.#transcript = new Transcript(texts, lang, wishes, changed);
    this.composer = new Composer(texts, wishes, options.draft);
    this.#person = button("pill person", () => wishes.person(), {}, icon("person"), texts.person);
    const close = iconButton("round plain", "close", texts.close, () => wishes.close(), { hidden: !options.framed });
    this.#connect = button("text-button", () => wishes.reconnect(), {}, texts.again);
    this.#connection = h("div", { class: "connection", role: "status" }, this.#connectionText, this.#connect);
    this.#queue = h("section", { class: "queue", "aria-label": texts.inQueue, hidden: true }, h("p", {}, this.#queueTitle), this.#queueHours, this.#mail, button("pill", () => wishes.assistant(), {}, texts.assistant));
    const mail = h("input", { type: "email", required: true, maxlength: "254", autocomplete: "email", "aria-label": texts.mail, placeholder: texts.mail });
    this.#mail.append(mail, h("button", { class: "pill" }, texts.send));
    this.#mail.onsubmit = (event) => (event.preventDefault(), wishes.mail(mail.value));
    const greeting = h("div", { class: "bubble" });
    this.#greeting = new Rich(greeting);
    this.#suggestions = h("ul", { class: "suggestions", "aria-label": texts.start });
    this.#welcome = h("div", { class: "welcome line reply" }, greeting);
    this.#latest = button("pill latest", () => this.toEnd(true), { hidden: true }, icon("latest"), texts.newest);
    this.#earlier = button("pill earlier", () => wishes.earlier(), { hidden: true }, texts.earlier);
    this.#scroll = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": texts.messages }, this.#earlier, this.#welcome, this.#transcript.element, this.#transcript.waiting, this.#suggestions);
    this.#scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#following && this.toEnd()).observe(this.#scroll);
    root.append(
      h("header", {}, this.#avatar, h("div", { class: "who" }, this.#title, this.#subtitle), close),
      this.#connection,
      h("main", {}, this.#scroll, this.#latest),
      h("footer", {}, this.#fault, this.#queue, this.composer.element, h("div", { class: "foot" }, h("p", { class: "caution" }, texts.caution), this.#person)),
      this.announcer.element,
    );
  }

  update(picture: Picture): void {
    const { talk, letters, link, look } = picture;
    this.#wear(look);
    const sub = talk.owner === "ai" ? fill(this.texts.assistantOf, look.name) : talk.owner === "queue" ? this.texts.inQueue : this.texts.withPerson;
    setText(this.#subtitle, sub);
    show(this.#person, talk.owner === "ai");
    show(this.#queue, talk.owner === "queue");
    show(this.#mail, talk.away && !picture.mail);
    setText(this.#queueTitle, !talk.away ? this.texts.queueTitle : picture.mail ? fill(this.texts.mailKept, picture.mail) : this.texts.away);
    const closed = link === "closed";
    setText(this.#connectionText, link === "lost" ? this.texts.lost : closed ? this.texts.refusedHere : "");
    show(this.#connect, link === "lost");
    this.#connection.classList.toggle("shown", link === "lost" || closed);
    setText(this.#fault, picture.fault);
    this.#transcript.update(talk, letters, look.assistant, picture.staffTyping, link === "online" || link === "connecting");
    show(this.#suggestions, talk.asked === 0 && letters.length === 0 && look.suggestions.length > 0);
    this.composer.update(link === "online" && isReplying(talk), closed);
    show(this.#earlier, talk.first > 1);
    show(this.#welcome, look.greeting !== "" && talk.first <= 1);
    if (this.#following) this.toEnd();
    else this.#scrolled();
  }

  /** Shows the newest message. */
  toEnd(focus = false): void {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#following = true;
    show(this.#latest, false);
    if (focus) this.composer.focus();
  }

  #scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    this.#following = scrollHeight - scrollTop - clientHeight < NEAR_END;
    show(this.#latest, !this.#following);
  }

  #wear(look: Look): void {
    if (this.#look === look) return;
    this.#look = look;
    for (const [name, value] of Object.entries(palette(look.color))) document.documentElement.style.setProperty(name, value);
    setText(this.#title, look.assistant);
    setText(this.#avatar, [...look.assistant][0] ?? "");
    document.title = `${look.assistant} – ${look.name}`;
    this.#greeting.set(look.greeting);
    setText(this.#queueHours, look.hours && fill(this.texts.queueHours, look.hours));
    this.#suggestions.replaceChildren(
      ...look.suggestions.map((text) => h("li", {}, button("", () => this.wishes.send(text), { dir: "auto" }, h("span", {}, text), icon("go")))),
    );
  }
}
