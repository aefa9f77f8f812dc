// A message's text on the page: the safe part of Markdown, built node by node.

import { h } from "../dom";
import { blocks, type Inline, type Sourced } from "../markdown";

/** Shows `text` in `box`. While a reply streams, only the blocks that changed are built again: mostly the last one. */
export class Rich {
  #shown: Sourced[] = [];
  #text: string | undefined;

  constructor(private readonly box: HTMLElement) {}

  set(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    const next = blocks(text);
    let same = 0;
    while (same < next.length && next[same]!.source === this.#shown[same]?.source) same++;
    while (this.box.childNodes.length > same) this.box.lastChild!.remove();
    for (const block of next.slice(same)) this.box.append(build(block));
    this.#shown = next;
  }
}

function build(block: Sourced): HTMLElement {
  switch (block.t) {
    case "p":
      return h("p", { dir: "auto" }, ...block.inner.map(inline));
    case "h":
      return h("p", { dir: "auto", class: "heading" }, h("strong", {}, ...block.inner.map(inline)));
    case "code":
      return h("pre", { dir: "ltr", tabindex: "0" }, h("code", {}, block.text));
    default:
      return h(block.t, { dir: "auto", start: block.t === "ol" && String(block.start) }, ...block.items.map((item) => h("li", {}, ...item.map(inline))));
  }
}

function inline(part: Inline): Node {
  switch (part.t) {
    case "text":
      return document.createTextNode(part.text);
    case "br":
      return h("br");
    case "code":
      return h("code", { dir: "ltr" }, part.text);
    case "b":
      return h("strong", {}, ...part.inner.map(inline));
    case "i":
      return h("em", {}, ...part.inner.map(inline));
    case "link": {
      const attributes = { href: part.href, target: "_blank", rel: "noopener noreferrer nofollow ugc", dir: "auto" };
      return h("a", attributes, part.text, part.host !== "" && h("span", { class: "host", dir: "ltr" }, ` (${part.host})`));
    }
  }
}
