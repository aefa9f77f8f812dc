// The goods and the rules of the demo shop, from the same files that the assistant answers from.

import products from "../../demo-shop/products.json";

export interface Product {
  id: string;
  name: string;
  category: string;
  price: string;
  description: string;
  attributes: Record<string, string>;
  stock: number;
}

export interface Policy {
  id: string;
  title: string;
  short: string;
  text: string;
}

export const PRODUCTS = products as unknown as Product[];

export const CATEGORIES = [...new Set(PRODUCTS.map((product) => product.category))];

const files = import.meta.glob<string>("../../demo-shop/policies/*.md", { query: "?raw", import: "default", eager: true });

/** In the order in which shoppers ask. */
const ORDER = ["returns", "sizes", "shipping", "payment", "orders", "warranty", "repairs", "gift-cards", "contact", "privacy"];

export const POLICIES: Policy[] = Object.entries(files)
  .map(([path, text]) => policy(path.replace(/^.*\/|\.md$/g, ""), text))
  .sort((a, b) => ORDER.indexOf(a.id) - ORDER.indexOf(b.id));

function policy(id: string, file: string): Policy {
  const [, front = "", text = ""] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(file) ?? [];
  const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(front)?.[1] ?? "";
  return { id, title: field("title"), short: field("short"), text };
}

export const picture = (id: string): string => `${import.meta.env.BASE_URL}pictures/${id}.svg`;

/** `€129` as a number of euros. */
export const euros = (price: string): number => Number(price.replace(/[^\d.]/g, ""));

/** The sizes a product can be chosen in; empty for what has only one. */
export function sizesOf(product: Product): string[] {
  const text = product.attributes.sizes ?? "";
  const range = /^EU (\d+) to (\d+)/.exec(text);
  if (range) return Array.from({ length: Number(range[2]) - Number(range[1]) + 1 }, (_, i) => String(Number(range[1]) + i));
  const letters = ["XS", "S", "M", "L", "XL", "XXL"];
  const clothes = /^(XS) to (XL|XXL)/.exec(text);
  return clothes ? letters.slice(0, letters.indexOf(clothes[2]!) + 1) : [];
}
