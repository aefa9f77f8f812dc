import { expect, it } from "vitest";
import type { Row } from "../src/dashboard/contract";
import { belongs, List, NO_COUNTS, order, type View } from "../src/dashboard/state/list";
import { row } from "./dashboard-rows";

const shown = (list: List): number[] => list.ids.map((conv) => Number(conv.slice(-12)));
function listed(view: View, rows: Row[], next?: string): List {
  const list = new List("mara");
  list.show(view);
  list.page(rows, next, NO_COUNTS);
  return list;
}

it("tabs and filters decide what belongs", () => {
  const waits = row(1, { owner: "queue", waiting_since: 5, unread: 2 });
  const mine = row(2, { owner: "staff", staff: "mara", tags: ["shoes"], rating: "down" });
  const theirs = row(3, { owner: "staff", staff: "tom", mood: "negative" });
  const done = row(4, { status: "resolved" });
  const of = (view: View): number[] => [waits, mine, theirs, done].filter((one) => belongs(one, view, "mara")).map((one) => one.updated_at);
  expect(of({ tab: "waiting" })).toEqual([1]);
  expect(of({ tab: "mine" })).toEqual([2]);
  expect(of({ tab: "all" })).toEqual([1, 2, 3]);
  expect(of({ tab: "resolved" })).toEqual([4]);
  expect(of({ tab: "all", tag: "shoes" })).toEqual([2]);
  expect(of({ tab: "all", staff: "tom" })).toEqual([3]);
  expect(of({ tab: "all", rating: "down" })).toEqual([2]);
  expect(of({ tab: "all", from: 2, to: 2 })).toEqual([2]);
  expect(of({ tab: "all", mood: "negative" })).toEqual([3]);
  expect(of({ tab: "all", unread: true })).toEqual([1]);
});

it("the longest wait is first; everywhere else the newest change", () => {
  expect(order("waiting", row(1, { waiting_since: 10 }), row(2, { waiting_since: 20 }))).toBeLessThan(0);
  expect(order("all", row(1), row(2))).toBeGreaterThan(0);
});

it("a run of unhappy messages goes before a longer wait, a single one does not", () => {
  const waits = (since: number, unhappy = 0): Row => row(since, { waiting_since: since, unhappy });
  const rows = [waits(5), waits(10, 1), waits(20, 2), waits(30, 4), waits(15, 2)];
  expect(rows.sort((a, b) => order("waiting", a, b)).map((one) => one.waiting_since)).toEqual([30, 15, 20, 5, 10]);
  expect(order("all", row(1, { unhappy: 5 }), row(2))).toBeGreaterThan(0);
});

it("a row that changes moves, joins and leaves", () => {
  const list = listed({ tab: "all" }, [row(30), row(20), row(10)]);
  list.change([{ ...row(10), updated_at: 40 }], [], NO_COUNTS);
  expect(shown(list)).toEqual([10, 30, 20]);
  list.change([row(25)], [], NO_COUNTS);
  expect(shown(list)).toEqual([10, 30, 25, 20]);
  list.change([{ ...row(30), status: "resolved" }], [], NO_COUNTS);
  expect(shown(list)).toEqual([10, 25, 20]);
  list.change([], [row(25).conv], NO_COUNTS);
  expect(shown(list)).toEqual([10, 20]);
  expect(list.rows.has(row(25).conv)).toBe(false);
});

it("what belongs behind the last page that was read waits for its page", () => {
  const list = listed({ tab: "all" }, [row(30), row(20)], "next");
  list.change([row(5)], [], NO_COUNTS);
  expect(shown(list)).toEqual([30, 20]);
  list.page([row(10), row(5)], undefined, NO_COUNTS, "next");
  expect(shown(list)).toEqual([30, 20, 10, 5]);
  list.change([row(4)], [], NO_COUNTS);
  expect(shown(list)).toEqual([30, 20, 10, 5, 4]);
});

it("a new snapshot replaces the list, so that an absent page is right again", () => {
  const list = listed({ tab: "all" }, [row(30), row(20)]);
  list.page([row(50), { ...row(20), unread: 3 }], undefined, NO_COUNTS);
  expect(shown(list)).toEqual([50, 20]);
  expect(list.rows.get(row(20).conv)?.unread).toBe(3);
});

it("j and k walk, and stop at the ends", () => {
  const list = listed({ tab: "all" }, [row(3), row(2), row(1)]);
  expect(list.step(undefined, 1)).toBe(row(3).conv);
  expect(list.step(row(3).conv, 1)).toBe(row(2).conv);
  expect(list.step(row(1).conv, 1)).toBe(row(1).conv);
  expect(list.step(row(3).conv, -1)).toBe(row(3).conv);
});

it("10,000 rows stay in order under changes", () => {
  const list = listed({ tab: "all" }, Array.from({ length: 10_000 }, (_, n) => row(10_000 - n)));
  for (let n = 0; n < 100; n++) list.change([{ ...row(1 + n * 97), updated_at: 20_000 + n }], [], NO_COUNTS);
  expect(list.ids).toHaveLength(10_000);
  expect(list.ids.map((conv) => list.rows.get(conv)!.updated_at)).toEqual([...list.rows.values()].map((one) => one.updated_at).sort((a, b) => b - a));
});
