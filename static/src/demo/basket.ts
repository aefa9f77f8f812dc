// The cart: kept in this browser, and shared by its tabs.

import { euros, PRODUCTS, type Product } from "./shop";

export interface Item {
  id: string;
  size: string;
  count: number;
}

const KEY = "brackenfold.cart";
const FREE_FROM = 60;
const SHIPPING = 4.9;
const MOST = 9;

export function items(): Item[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    if (!Array.isArray(kept)) return [];
    return kept.filter((item): item is Item => productOf(item) !== undefined && Number.isInteger(item.count) && item.count > 0);
  } catch {
    return [];
  }
}

export function productOf(item: Item): Product | undefined {
  return PRODUCTS.find((product) => product.id === item?.id);
}

export function add(id: string, size: string): void {
  const all = items();
  const same = all.find((item) => item.id === id && item.size === size);
  if (same) same.count = Math.min(MOST, same.count + 1);
  else all.push({ id, size, count: 1 });
  save(all);
}

/** 0 takes it out. */
export function setCount(index: number, count: number): void {
  const all = items();
  const item = all[index];
  if (!item) return;
  item.count = Math.min(MOST, count);
  save(all.filter((one) => one.count > 0));
}

export function count(): number {
  return items().reduce((sum, item) => sum + item.count, 0);
}

export function totals(): { goods: number; shipping: number; missing: number } {
  const goods = items().reduce((sum, item) => sum + item.count * euros(productOf(item)?.price ?? "0"), 0);
  return { goods, shipping: goods === 0 || goods > FREE_FROM ? 0 : SHIPPING, missing: Math.max(0, FREE_FROM - goods) };
}

export const money = (value: number): string => `€${Number.isInteger(value) ? value : value.toFixed(2)}`;

function save(all: Item[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    // Without storage the cart lasts as long as nobody looks; the shop still works.
  }
  window.dispatchEvent(new Event("cart"));
}
