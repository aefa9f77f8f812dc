// One of the shop's rules, with the way to the others.

import { h } from "../widget/dom";
import { page, toPolicy } from "./parts";
import { POLICIES } from "./shop";
import { article } from "./text";

const id = new URLSearchParams(location.search).get("id");
const policy = POLICIES.find((one) => one.id === id) ?? POLICIES[0]!;
document.title = `${policy.title} – Brackenfold`;

page().append(
  h(
    "div",
    { class: "help" },
    h("nav", { "aria-label": "Help topics" }, h("ul", {}, ...POLICIES.map((one) => h("li", {}, h("a", one === policy ? { href: toPolicy(one.id), "aria-current": "page" } : { href: toPolicy(one.id) }, one.title))))),
    h(
      "article",
      {},
      h("h1", {}, policy.title),
      h("p", { class: "short" }, policy.short),
      ...article(policy.text),
      h("p", { class: "ask" }, "Something not answered here? Ask in the chat, at any time."),
    ),
  ),
);
