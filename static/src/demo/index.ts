// The front page: what the shop is, and everything it sells.

import { h, setText } from "../widget/dom";
import { card, drawing, page, toPolicy } from "./parts";
import { CATEGORIES, euros, PRODUCTS, type Product } from "./shop";

const ALL = "Everything";
const SORTS: Record<string, (a: Product, b: Product) => number> = {
  "Our order": () => 0,
  "Price, low to high": (a, b) => euros(a.price) - euros(b.price),
  "Price, high to low": (a, b) => euros(b.price) - euros(a.price),
};

const asked = new URLSearchParams(location.search).get("category");
const state = { category: CATEGORIES.find((name) => name === asked) ?? ALL, waterproof: false, stock: false, sort: "Our order" };

const grid = h("ul", { class: "grid" });
const found = h("p", { class: "found", role: "status" });
const chips = [ALL, ...CATEGORIES].map((name) =>
  h("button", { type: "button", class: "chip", onclick: () => choose(name) }, name),
);
const check = (label: string, key: "waterproof" | "stock"): HTMLElement => {
  const box = h("input", { type: "checkbox", onchange: () => { state[key] = box.checked; draw(); } });
  return h("label", { class: "check" }, box, label);
};
const sort = h("select", { "aria-label": "Sort by", onchange: () => { state.sort = sort.value; draw(); } }, ...Object.keys(SORTS).map((name) => h("option", {}, name)));

function choose(name: string): void {
  state.category = name;
  history.replaceState(null, "", name === ALL ? "./" : `./?category=${encodeURIComponent(name)}`);
  draw();
}

function draw(): void {
  const shown = PRODUCTS.filter(
    (product) =>
      (state.category === ALL || product.category === state.category) &&
      (!state.waterproof || /^yes/i.test(product.attributes.waterproof ?? "")) &&
      (!state.stock || product.stock > 0),
  ).sort(SORTS[state.sort]);
  for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.textContent === state.category));
  grid.replaceChildren(...shown.map((product) => card(product)));
  setText(found, shown.length === 0 ? "Nothing fits all of these. Take one filter away." : shown.length === 1 ? "1 product" : `${shown.length} products`);
}

const promise = (path: string, title: string, text: string, policy: string): HTMLElement =>
  h("li", {}, h("a", { href: toPolicy(policy) }, drawing(path, 26), h("strong", {}, title), h("span", {}, text)));

page().append(
  h(
    "section",
    { class: "hero" },
    h("img", { src: `${import.meta.env.BASE_URL}hero.svg`, alt: "", width: "1440", height: "620" }),
    h("div", { class: "hero-text" }, h("h1", {}, "For wet meadows and long ways home."), h("p", {}, "Shoes and gear for going on foot: made to last, and repaired when they do not."), h("a", { class: "button", href: "#goods" }, "See what is new")),
  ),
  h(
    "ul",
    { class: "promises" },
    promise("M4 8h11a5 5 0 0 1 0 10H8M4 8l4-4M4 8l4 4", "60 days to return", "Even shoes you have worn", "returns"),
    promise("M3 6h11v10H3zM14 9h4l3 4v3h-7M7 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4M17 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4", "2 to 4 working days", "Free over €60", "shipping"),
    promise("M14 6a4 4 0 0 0-5 5l-6 6 3 3 6-6a4 4 0 0 0 5-5l-3 3-3-3 3-3z", "Own workshop", "Boots, jackets, tents", "repairs"),
    promise("M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6l7-3zM9 12l2 2 4-4", "3-year warranty", "On everything", "warranty"),
  ),
  h(
    "section",
    { class: "goods", id: "goods", "aria-label": "Products" },
    h("div", { class: "filters" }, h("h2", {}, "Our goods"), h("div", { class: "chips", role: "group", "aria-label": "Kind" }, ...chips), h("div", { class: "more" }, check("Waterproof", "waterproof"), check("In stock", "stock"), sort)),
    found,
    grid,
  ),
);
draw();
if (asked) document.getElementById("goods")?.scrollIntoView();
