// Where the shopper writes.

import { room } from "../../room";
import { h, iconButton, setText, show } from "../dom";
import { fill, type Texts } from "../texts";

/** The counter appears when this few characters are left. */
const NEAR = 300;
/** The field grows to about five lines, then scrolls. */
const LONGEST_PX = 132;

export interface ComposerWishes {
  send(text: string): void;
  stop(): void;
  typing(): void;
  draft(text: string): void;
}

export class Composer {
  readonly element: HTMLFormElement;
  #field: HTMLTextAreaElement;
  #send: HTMLButtonElement;
  #stop: HTMLButtonElement;
  #count = h("p", { class: "count", id: "count", role: "status" });

  constructor(
    private readonly texts: Texts,
    private readonly wishes: ComposerWishes,
    draft: string,
  ) {
    this.#field = h("textarea", { rows: "1", "aria-label": texts.label, "aria-describedby": "count", placeholder: texts.write, enterkeyhint: "send" });
    this.#field.value = draft;
    this.#send = iconButton("round send", "send", texts.send, () => {}, { type: "submit" });
    this.#stop = iconButton("round stop", "stop", texts.stop, () => wishes.stop(), { hidden: true });
    this.element = h("form", { class: "composer" }, this.#count, h("div", { class: "field" }, this.#field, this.#stop, this.#send));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener("input", () => {
      this.#measure();
      wishes.draft(this.#field.value);
      wishes.typing();
    });
    this.#field.addEventListener("keydown", (event) => {
      // 229: the key belongs to an input method (Chinese, Japanese) and confirms a word.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#submit();
    });
    this.#measure();
  }

  focus(): void {
    this.#field.focus({ preventScroll: true });
  }

  update(replying: boolean, closed: boolean): void {
    if (!replying && document.activeElement === this.#stop) this.focus();
    show(this.#stop, replying);
    this.#field.disabled = closed;
    if (closed) this.#send.disabled = true;
  }

  clear(): void {
    this.#field.value = "";
    this.wishes.draft("");
    this.#measure();
  }

  #submit(): void {
    const text = this.#field.value.trim();
    if (!text || room(text) < 0) return;
    this.clear();
    this.wishes.send(text);
  }

  #measure(): void {
    const field = this.#field;
    field.style.height = "auto";
    if (field.scrollHeight > 0) field.style.height = `${Math.min(field.scrollHeight, LONGEST_PX)}px`;
    // An empty field has no direction of its own: the placeholder follows the page.
    field.dir = field.value ? "auto" : "";
    const left = room(field.value);
    setText(this.#count, left < 0 ? fill(this.texts.tooLong, -left) : left <= NEAR ? fill(this.texts.left, left) : "");
    this.#count.classList.toggle("bad", left < 0);
    this.#send.disabled = !field.value.trim() || left < 0;
  }
}
