// What every page of the shop has: head, foot, product cards.

import "./style/base.css";
import "./style/front.css";
import "./style/product.css";
import "./style/help.css";
import "./style/cart.css";
import "./style/foot.css";
import { h } from "../widget/dom";
import { count } from "./basket";
import { CATEGORIES, picture, POLICIES, type Product } from "./shop";

export const home = (category?: string): string => `./${category ? `?category=${encodeURIComponent(category)}` : ""}`;
export const toProduct = (id: string): string => `product.html?id=${id}`;
export const toPolicy = (id: string): string => `policy.html?id=${id}`;

/** The line drawings of the shop. */
export function drawing(path: string, size = 22): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("width", String(size));
  svg.setAttribute("height", String(size));
  svg.setAttribute("class", "drawing");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** Puts head and foot around the page and gives its main part. */
export function page(): HTMLElement {
  const cart = h("a", { class: "cart-link", href: "cart.html" });
  const fill = (): void => {
    const n = count();
    const badge = h("span", { class: "cart-count" }, String(n), h("span", { class: "hidden-word" }, n === 1 ? " item" : " items"));
    cart.replaceChildren(drawing("M6 7h12l1 13H5L6 7zM9 7a3 3 0 0 1 6 0"), h("span", { class: "cart-word" }, "Cart "), ...(n > 0 ? [badge] : []));
  };
  fill();
  window.addEventListener("cart", fill);
  window.addEventListener("storage", fill);
  window.addEventListener("pageshow", fill);
  document.getElementById("top")!.append(
    h(
      "header",
      {},
      h("p", { class: "promise" }, "Free shipping over €60 · 60 days to return"),
      h(
        "div",
        { class: "head" },
        h("a", { class: "brand", href: home() }, h("img", { src: `${import.meta.env.BASE_URL}logo.svg`, alt: "", width: "34", height: "34" }), "Brackenfold"),
        h("nav", { "aria-label": "Shop" }, ...CATEGORIES.map((name) => h("a", { href: home(name) }, name))),
        h("a", { class: "help-link", href: toPolicy("returns") }, "Help"),
        cart,
      ),
    ),
  );
  document.getElementById("bottom")!.append(
    h(
      "footer",
      { class: "foot" },
      h("div", { class: "foot-about" }, h("p", { class: "foot-name" }, "Brackenfold"), h("p", {}, "Shoes, clothing and gear for people who go on foot. This is a demonstration: the shop, its goods and its prices are made up, and nothing is sold.")),
      h("nav", { "aria-label": "Help" }, h("h2", {}, "Help"), h("ul", {}, ...POLICIES.map(({ id, title }) => h("li", {}, h("a", { href: toPolicy(id) }, title))))),
      h("nav", { "aria-label": "Goods" }, h("h2", {}, "Shop"), h("ul", {}, ...CATEGORIES.map((name) => h("li", {}, h("a", { href: home(name) }, name))))),
    ),
  );
  return document.getElementById("content")!;
}

/** One product in a grid. `level` is that of its heading. */
export function card(product: Product, level: "h2" | "h3" = "h3"): HTMLElement {
  const few = product.stock > 0 && product.stock < 15;
  return h(
    "li",
    { class: "card" },
    h("a", { href: toProduct(product.id) }, h("span", { class: `shelf shelf-${product.category.toLowerCase()}` }, h("img", { src: picture(product.id), alt: "", loading: "lazy", width: "400", height: "400" }), product.stock === 0 ? h("span", { class: "tag" }, "Sold out") : few && h("span", { class: "tag" }, `Only ${product.stock} left`)), h("span", { class: "card-row" }, h(level, {}, product.name), h("span", { class: "price" }, product.price)), h("span", { class: "card-kind" }, `${product.attributes["best for"] ?? product.category} · ${product.attributes.colour ?? ""}`)),
  );
}
