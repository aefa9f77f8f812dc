// The cart's page. There is no checkout: the shop is a demonstration.

import { h } from "../widget/dom";
import { type Item, items, money, productOf, setCount, totals } from "./basket";
import { home, page, toProduct } from "./parts";
import { euros, picture } from "./shop";

const main = page();
const box = h("section", { class: "cart" });
main.append(box);

function draw(): void {
  const all = items();
  if (all.length === 0) {
    box.replaceChildren(h("div", { class: "empty" }, h("h1", {}, "Your cart is empty"), h("p", {}, "Good shoes are a good start."), h("a", { class: "button", href: home("Shoes") }, "See shoes")));
    return;
  }
  const { goods, shipping, missing } = totals();
  box.replaceChildren(
    h("h1", {}, "Your cart"),
    h("ul", { class: "items" }, ...all.map(row)),
    h(
      "div",
      { class: "sum" },
      h("dl", {}, h("dt", {}, "Goods"), h("dd", {}, money(goods)), h("dt", {}, "Shipping"), h("dd", {}, shipping ? money(shipping) : "Free"), h("dt", { class: "all" }, "Total"), h("dd", { class: "all" }, money(goods + shipping))),
      shipping > 0 && h("p", {}, `${money(missing)} more and a little, and shipping is free.`),
      h("p", { class: "demo" }, "This is a demonstration shop: there is no checkout, and nothing can be bought."),
    ),
  );
}

function row(item: Item, index: number): HTMLElement {
  const product = productOf(item)!;
  const amount = h("select", { "aria-label": `How many ${product.name}`, onchange: () => setCount(index, Number(amount.value)) }, ...Array.from({ length: 9 }, (_, i) => h("option", { value: String(i + 1), selected: item.count === i + 1 }, String(i + 1))));
  return h(
    "li",
    {},
    h("span", { class: `shelf shelf-${product.category.toLowerCase()}` }, h("img", { src: picture(product.id), alt: "", width: "400", height: "400" })),
    h("div", { class: "item-text" }, h("h2", {}, h("a", { href: toProduct(product.id) }, product.name)), item.size && h("p", {}, `Size ${item.size}`), h("button", { type: "button", class: "link", "aria-label": `Remove ${product.name}`, onclick: () => setCount(index, 0) }, "Remove")),
    amount,
    h("span", { class: "price" }, money(euros(product.price) * item.count)),
  );
}

window.addEventListener("cart", draw);
window.addEventListener("pageshow", draw);
draw();
