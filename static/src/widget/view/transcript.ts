// The conversation: one list item for each entry, kept by its id, so that a streaming reply touches nothing else.

import { button, h, icon, iconButton, setText, show } from "../dom";
import type { Letter } from "../outbox";
import { isWaiting, type Line, retryable, type Talk, type Thumb } from "../talk";
import { faultText, fill, noteText, type Texts } from "../texts";
import { Rich } from "./rich";

export interface Wishes {
  retry(): void;
  rate(line: Line, value: Thumb, comment?: string): void;
  resend(cmid: string): void;
  discard(cmid: string): void;
}

/** One entry on the page. */
interface Row {
  element: HTMLElement;
  body: HTMLElement;
  rich?: Rich;
  under: HTMLElement;
  /** What `under` was built from. */
  shown: string;
}

interface Shown extends Omit<Line, "kind"> {
  kind: Line["kind"] | "live";
  letter?: Letter;
}

export class Transcript {
  readonly element: HTMLOListElement;
  readonly waiting: HTMLElement;
  #rows = new Map<string, Row>();
  #waitingText = h("span", { class: "waiting-text" });
  /** The reply whose thumbs-down is being explained. */
  #explaining: string | undefined;
  #thanked = new Set<string>();

  constructor(
    private readonly texts: Texts,
    private readonly lang: string,
    private readonly wishes: Wishes,
    private readonly changed: () => void,
  ) {
    this.element = h("ol", { class: "lines" });
    this.waiting = h("div", { class: "waiting", hidden: true }, h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), this.#waitingText);
  }

  update(talk: Talk, letters: Letter[], assistant: string, staffTyping: boolean, online: boolean): void {
    const entries = this.#entries(talk, letters);
    const again = retryable(talk);
    let before: Shown | undefined;
    let at: ChildNode | null = this.element.firstChild;
    const kept = new Set<string>();
    const place = (id: string, element: HTMLElement): void => {
      kept.add(id);
      if (at === element) at = element.nextSibling;
      else this.element.insertBefore(element, at);
    };
    for (const entry of entries) {
      if (!before || day(before.at) !== day(entry.at)) {
        const id = `d${day(entry.at)}`;
        place(id, this.#day(id, entry.at));
        before = undefined;
      }
      const row = this.#row(entry, assistant);
      this.#fill(row, entry, entry.id === again?.id, online);
      row.element.classList.toggle("follows", before !== undefined && side(before) === side(entry));
      place(entry.id, row.element);
      before = entry;
    }
    for (const [id, row] of this.#rows) {
      if (kept.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    this.#wait(talk, letters, assistant, staffTyping, online);
  }

  #entries(talk: Talk, letters: Letter[]): Shown[] {
    const unsent = letters.filter((letter) => !talk.said.has(letter.cmid));
    const out: Shown[] = [...talk.lines];
    if (talk.live) out.push({ id: talk.live.mid, kind: "live", seq: 0, at: out.at(-1)?.at ?? Date.now(), text: talk.live.text });
    for (const letter of unsent) out.push({ id: letter.cmid, kind: "shopper", seq: 0, at: letter.at, text: letter.text, letter });
    return out;
  }

  #day(id: string, at: number): HTMLElement {
    const known = this.#rows.get(id);
    if (known) return known.element;
    const today = day(at) === day(Date.now());
    const name = today ? this.texts.today : new Intl.DateTimeFormat(this.lang, { weekday: "long", day: "numeric", month: "long" }).format(at);
    const element = h("li", { class: "day" }, h("span", {}, name));
    this.#rows.set(id, { element, body: element, under: element, shown: "" });
    return element;
  }

  #row(entry: Shown, assistant: string): Row {
    const known = this.#rows.get(entry.id);
    if (known) return known;
    let row: Row;
    if (entry.kind === "note") {
      const element = h("li", { class: "note" }, h("span", {}, noteText(this.texts, entry.note!)));
      row = { element, body: element, under: element, shown: "" };
    } else {
      const who = side(entry);
      const author = { shopper: this.texts.you, staff: this.texts.team, reply: assistant, note: "" }[who];
      const body = h("div", { class: "bubble" });
      const under = h("div", { class: "under" });
      const label = h("span", { class: who === "shopper" ? "sr" : "author", dir: "auto" }, author);
      row = { element: h("li", { class: `line ${who}` }, label, body, under), body, under, shown: "" };
      if (who === "shopper") body.append(h("p", { dir: "auto" }, entry.text));
      else row.rich = new Rich(body);
    }
    this.#rows.set(entry.id, row);
    return row;
  }

  #fill(row: Row, entry: Shown, canRetry: boolean, online: boolean): void {
    if (entry.kind === "note") return;
    row.rich?.set(entry.text);
    row.element.classList.toggle("live", entry.kind === "live");
    show(row.body, entry.text !== "");
    const { letter } = entry;
    const explaining = this.#explaining === entry.id;
    const shown = JSON.stringify([entry.kind, entry.ended, entry.thumb, canRetry, explaining, this.#thanked.has(entry.id), letter, online]);
    if (shown === row.shown) return;
    row.shown = shown;
    const focused = (document.activeElement as HTMLElement | null)?.dataset.act;
    const inside = row.under.contains(document.activeElement);
    row.under.replaceChildren(...(letter ? this.#letterUnder(letter, online) : this.#replyUnder(entry, canRetry, explaining)));
    if (inside && focused) row.under.querySelector<HTMLElement>(`[data-act="${focused}"]`)?.focus();
  }

  #letterUnder(letter: Letter, online: boolean): Node[] {
    if (!letter.refused) return [h("span", { class: "state" }, online && !letter.notBefore ? this.texts.sending : this.texts.kept)];
    return [
      h("span", { class: "state bad", role: "alert" }, faultText(this.texts, letter.refused)),
      button("text-button", () => this.wishes.resend(letter.cmid), {}, this.texts.retry),
      button("text-button", () => this.wishes.discard(letter.cmid), {}, this.texts.remove),
    ];
  }

  #replyUnder(entry: Shown, canRetry: boolean, explaining: boolean): Node[] {
    if (entry.kind !== "reply") return [];
    const { ended } = entry;
    const nodes: Node[] = [];
    const words = ended && ended !== "complete" && ended !== "refused" ? this.texts[ended] : undefined;
    if (words) nodes.push(h("span", { class: "state" }, words));
    if (canRetry) {
      nodes.push(button("pill", () => this.wishes.retry(), { "data-act": "retry" }, icon("retry"), this.texts.retry));
    }
    if (entry.text && ended !== "failed") nodes.push(this.#thumbs(entry));
    if (explaining) nodes.push(this.#explain(entry as Line));
    else if (this.#thanked.has(entry.id)) nodes.push(h("span", { class: "state", role: "status" }, this.texts.thanks));
    return nodes;
  }

  #thumbs(entry: Shown): Node {
    const thumb = (value: Thumb, name: string): Node => {
      const rate = (): void => {
        this.#explaining = value === "down" ? entry.id : undefined;
        if (value === "up") this.#thanked.add(entry.id);
        else this.#thanked.delete(entry.id);
        this.wishes.rate(entry as Line, value);
      };
      return iconButton("thumb", value, name, rate, { "data-act": value, "aria-pressed": String(entry.thumb === value) });
    };
    return h("span", { class: "thumbs" }, thumb("up", this.texts.good), thumb("down", this.texts.bad));
  }

  #explain(line: Line): Node {
    const field = h("textarea", { rows: "2", maxlength: "1000", dir: "auto", "aria-label": this.texts.why, placeholder: this.texts.why });
    const done = (comment?: string): void => {
      this.#explaining = undefined;
      this.#thanked.add(line.id);
      if (comment) this.wishes.rate(line, "down", comment);
      this.changed();
    };
    return h(
      "form",
      {
        class: "explain",
        onsubmit: (event: Event) => {
          event.preventDefault();
          done(field.value.trim());
        },
      },
      field,
      h("span", { class: "row" }, h("button", { type: "submit", class: "pill" }, this.texts.tell), button("text-button", () => done(), {}, this.texts.skip)),
    );
  }

  #wait(talk: Talk, letters: Letter[], assistant: string, staffTyping: boolean, online: boolean): void {
    const next = letters.find((letter) => !letter.refused && !talk.said.has(letter.cmid));
    const sending = talk.owner === "ai" && !talk.live && next !== undefined && !next.notBefore;
    const working = isWaiting(talk) || sending;
    show(this.waiting, online && (working || (staffTyping && talk.owner === "staff")));
    const text = !working ? this.texts.typing : talk.place > 0 ? fill(this.texts.place, talk.place) : fill(this.texts.working, assistant);
    setText(this.#waitingText, text);
  }
}

function day(at: number): string {
  return new Date(at).toDateString();
}

function side(entry: Shown): Line["kind"] {
  return entry.kind === "live" ? "reply" : entry.kind;
}
