import { expect, it } from "vitest";
import { keepIn } from "../src/widget/keep";
import { Outbox } from "../src/widget/outbox";

class Store {
  fail = false;
  #map = new Map<string, string>();
  getItem(key: string): string | null {
    return this.#map.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    if (this.fail) throw new Error("QuotaExceededError");
    this.#map.set(key, value);
  }
  removeItem(key: string): void {
    this.#map.delete(key);
  }
}
const store = (): Store => new Store();

function box(storage = store(), clock = { now: 1000 }) {
  let n = 0;
  const outbox = new Outbox(keepIn(() => storage), () => `id${++n}`, () => clock.now);
  return { outbox, storage, clock };
}

it("keeps a message until it is acknowledged, also over a reload", () => {
  const { outbox, storage } = box();
  outbox.add("a", "first");
  outbox.add("a", "second");
  const reloaded = box(storage).outbox;
  expect(reloaded.due("a").map((letter) => [letter.cmid, letter.text])).toEqual([["id1", "first"], ["id2", "second"]]);
  reloaded.acked("id1");
  expect(box(storage).outbox.due("a").map((letter) => letter.cmid)).toEqual(["id2"]);
});

it("shows an acknowledged message until its event has come", () => {
  const { outbox } = box();
  outbox.add("a", "first");
  outbox.acked("id1");
  expect(outbox.due("a")).toEqual([]);
  expect(outbox.shown("a").map((letter) => letter.cmid)).toEqual(["id1"]);
  outbox.seen("id1");
  expect(outbox.shown("a")).toEqual([]);
});

it("takes the event for an acknowledgement that was lost", () => {
  const { outbox } = box();
  outbox.add("a", "first");
  outbox.seen("id1");
  expect(outbox.due("a")).toEqual([]);
});

it("waits as long as the server asks, with everything behind it", () => {
  const { outbox, clock } = box();
  outbox.add("a", "first");
  outbox.add("a", "second");
  outbox.refused("id1", "rate_limited", 4);
  expect(outbox.due("a")).toEqual([]);
  expect(outbox.nextDue("a")).toBe(4000);
  clock.now += 4000;
  expect(outbox.due("a").map((letter) => letter.cmid)).toEqual(["id1", "id2"]);
});

it("leaves a message that was refused for good to the shopper", () => {
  const { outbox } = box();
  outbox.add("a", "much too long");
  outbox.add("a", "next");
  outbox.refused("id1", "message_too_long");
  expect(outbox.due("a").map((letter) => letter.cmid)).toEqual(["id2"]);
  expect(outbox.shown("a")[0]?.refused).toBe("message_too_long");
  outbox.again("id1");
  expect(outbox.due("a").map((letter) => letter.cmid)).toEqual(["id1", "id2"]);
  outbox.remove("id1");
  expect(outbox.due("a").map((letter) => letter.cmid)).toEqual(["id2"]);
});

it("keeps conversations apart, and moves what is left to a new one", () => {
  const { outbox } = box();
  outbox.add("a", "first");
  expect(outbox.due("b")).toEqual([]);
  outbox.move("a", "b");
  expect(outbox.due("b").map((letter) => letter.cmid)).toEqual(["id1"]);
});

it("works in memory where the browser refuses storage", () => {
  const storage = store();
  storage.fail = true;
  const { outbox } = box(storage);
  outbox.add("a", "first");
  expect(outbox.due("a")).toHaveLength(1);
  const none = keepIn(() => {
    throw new Error("SecurityError");
  });
  none.set("key", 1);
  expect(none.get("key")).toBe(1);
});

it("is not harmed by what somebody else wrote into the storage", () => {
  const storage = store();
  for (const garbage of ["{", "null", "7", '"x"', "{}"]) {
    storage.setItem("shopclerk.outbox", garbage);
    expect(box(storage).outbox.due("a")).toEqual([]);
  }
});
