// The shop's own texts: headings, lists, tables, bold, italics and links within the shop. Built node by node.

import { h } from "../widget/dom";

export function article(text: string): HTMLElement[] {
  return text.trim().split(/\n{2,}/).map(block);
}

function block(source: string): HTMLElement {
  const lines = source.split("\n");
  const first = lines[0]!;
  if (first.startsWith("## ")) return h("h2", {}, ...inline(first.slice(3)));
  if (first.startsWith("|")) return table(lines);
  if (first.startsWith("- ")) return h("ul", {}, ...lines.map((line) => h("li", {}, ...inline(line.slice(2)))));
  if (/^\d+\. /.test(first)) return h("ol", {}, ...lines.map((line) => h("li", {}, ...inline(line.replace(/^\d+\. /, "")))));
  return h("p", {}, ...inline(lines.join(" ")));
}

function table(lines: string[]): HTMLElement {
  const [head, , ...body] = lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  const named = head!.some((cell) => cell !== "");
  return h(
    "div",
    { class: "table", tabindex: "0", role: "group", "aria-label": "Table" },
    h(
      "table",
      {},
      named && h("thead", {}, h("tr", {}, ...head!.map((cell) => h("th", { scope: "col" }, ...inline(cell))))),
      h("tbody", {}, ...body.map((row) => h("tr", {}, ...row.map((cell, n) => (n ? h("td", {}, ...inline(cell)) : h("th", { scope: "row" }, ...inline(cell))))))),
    ),
  );
}

function inline(text: string): Node[] {
  const nodes: Node[] = [];
  let end = 0;
  for (const mark of text.matchAll(/\*\*(.+?)\*\*|\*(.+?)\*|\[(.+?)\]\((policy\.html\?id=[a-z-]+)\)/g)) {
    nodes.push(document.createTextNode(text.slice(end, mark.index)));
    end = mark.index + mark[0].length;
    if (mark[1]) nodes.push(h("strong", {}, mark[1]));
    else if (mark[2]) nodes.push(h("em", {}, mark[2]));
    else nodes.push(h("a", { href: mark[4]! }, mark[3]!));
  }
  nodes.push(document.createTextNode(text.slice(end)));
  return nodes;
}
