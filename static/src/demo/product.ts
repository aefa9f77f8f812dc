// One product.

import { h, setText } from "../widget/dom";
import { add } from "./basket";
import { card, home, page, toPolicy } from "./parts";
import { picture, type Product, PRODUCTS, sizesOf } from "./shop";

const id = new URLSearchParams(location.search).get("id");
const product = PRODUCTS.find((one) => one.id === id);
const main = page();
if (product) show(product);
else main.append(h("section", { class: "empty" }, h("h1", {}, "We do not have this product"), h("p", {}, "It may be sold out for good, or the address has a mistake."), h("a", { class: "button", href: home() }, "See everything")));

function show(product: Product): void {
  document.title = `${product.name} – Brackenfold`;
  const sizes = sizesOf(product);
  const said = h("p", { class: "said", role: "status" });
  const choices = h("div", { class: "sizes" });
  for (const size of sizes) {
    choices.append(h("label", {}, h("input", { type: "radio", name: "size", value: size }), h("span", {}, size)));
  }
  const form = h(
    "form",
    {
      onsubmit: (event: Event) => {
        event.preventDefault();
        const size = String(new FormData(form).get("size") ?? "");
        if (sizes.length > 0 && !size) return setText(said, "Please choose a size first.");
        add(product.id, size);
        said.replaceChildren(`${product.name}${size ? ` in ${size}` : ""} is in your cart. `, h("a", { href: "cart.html" }, "Go to the cart"));
      },
    },
    sizes.length > 0 && h("fieldset", {}, h("legend", {}, "Size ", h("a", { href: toPolicy("sizes") }, "Which is mine?")), choices),
    h("button", { type: "submit", class: "button wide", disabled: product.stock === 0 }, product.stock === 0 ? "Sold out" : "Add to cart"),
    said,
  );
  const stock = product.stock === 0 ? "Sold out at the moment" : product.stock < 15 ? `Only ${product.stock} left` : "In stock, with you in 2 to 4 working days";
  main.append(
    h("nav", { class: "path", "aria-label": "Where you are" }, h("a", { href: home() }, "Shop"), " / ", h("a", { href: home(product.category) }, product.category)),
    h(
      "section",
      { class: "product" },
      h("div", { class: `shelf shelf-${product.category.toLowerCase()} big` }, h("img", { src: picture(product.id), alt: `Drawing of the ${product.name}`, width: "400", height: "400" })),
      h(
        "div",
        { class: "about" },
        h("h1", {}, product.name),
        h("p", { class: "price" }, product.price),
        h("p", { class: "lead" }, product.description),
        h("p", { class: product.stock === 0 ? "stock none" : "stock" }, stock),
        form,
        h("ul", { class: "good" }, h("li", {}, h("a", { href: toPolicy("returns") }, "60 days to return, even worn shoes")), h("li", {}, h("a", { href: toPolicy("shipping") }, "Free shipping over €60")), h("li", {}, h("a", { href: toPolicy("warranty") }, "3-year warranty, and we repair"))),
        h("h2", {}, "Details"),
        h("dl", {}, ...Object.entries(product.attributes).flatMap(([name, value]) => [h("dt", {}, name[0]!.toUpperCase() + name.slice(1)), h("dd", {}, value)])),
      ),
    ),
    h("section", { class: "goods" }, h("h2", {}, "Goes well with it"), h("ul", { class: "grid" }, ...others(product).map((one) => card(one)))),
  );
}

/** Four others: two of the same kind, then of other kinds. */
function others(product: Product): Product[] {
  const rest = PRODUCTS.filter((one) => one !== product && one.stock > 0);
  const start = PRODUCTS.indexOf(product);
  const turn = (list: Product[]): Product[] => list.map((_, i) => list[(i + start) % list.length]!);
  const same = turn(rest.filter((one) => one.category === product.category)).slice(0, 2);
  const other = turn(rest.filter((one) => one.category !== product.category)).filter((one, i, all) => all.findIndex((x) => x.category === one.category) === i);
  return [...same, ...other].slice(0, 4);
}
