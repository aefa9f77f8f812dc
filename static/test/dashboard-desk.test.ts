import { expect, it, vi } from "vitest";
import type { Row, RowPage } from "../src/dashboard/contract";
import { NO_COUNTS } from "../src/dashboard/state/list";
import type { DeskHears } from "../src/dashboard/state/frames";
import type { StaffEvent } from "../src/dashboard/state/thread";
import { row } from "./dashboard-rows";
import { CONV, desk, event, faults, freshly, online, said, wires } from "./dashboard-wire";

freshly();

it("connects with a ticket of its own each time, says hello, and asks for the list", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  expect(wire.protocols).toEqual(["shopclerk.v1", "token.t1"]);
  expect(wire.take()).toEqual([{ t: "hello", resume: [] }, { t: "list", tab: "waiting", limit: 100 }]);
  wire.hear({ t: "list", at: 5, tab: "waiting", rows: [row(1)], counts: { ...NO_COUNTS, waiting: 1 } });
  expect(here.list.ids).toEqual([CONV]);
});

it("a connection that ends for good after its welcome is told; one that never had one is not", async () => {
  const here = desk();
  here.start();
  await vi.advanceTimersByTimeAsync(0);
  wires.at(-1)!.drop(4003);
  expect([here.link.value, faults]).toEqual(["closed", []]);
  const other = desk();
  other.start();
  const wire = await online(other);
  wire.drop(4003);
  expect([other.link.value, faults]).toEqual(["closed", ["closed"]]);
});

it("a conversation opened between hello and welcome is asked for; the one that hello named is left", async () => {
  const here = desk();
  here.start();
  await vi.advanceTimersByTimeAsync(0);
  const wire = wires.at(-1)!;
  wire.open();
  here.visit(CONV);
  expect(wire.take()).toEqual([{ t: "hello", resume: [] }]);
  wire.hear({ t: "welcome", epoch: "e1", heads: {} });
  expect(wire.take().filter((frame) => frame.t !== "list")).toEqual([{ t: "open", conv: CONV, seq: 0 }]);
  wire.drop();
  await vi.advanceTimersByTimeAsync(600);
  const next = wires.at(-1)!;
  next.open();
  here.visit(row(2).conv);
  next.hear({ t: "welcome", epoch: "e1", heads: {} });
  expect(next.take().filter((frame) => frame.t !== "list")).toEqual([{ t: "hello", resume: [{ conv: CONV, seq: 0 }] }, { t: "close", conv: CONV }, { t: "open", conv: row(2).conv, seq: 0 }]);
});

it("after any time away: the conversation goes on where it was, the list is a new one, and no reload is needed", async () => {
  const here = desk();
  here.start();
  const first = await online(here);
  here.visit(CONV);
  first.hear({ t: "opened", conv: CONV, head: 2 });
  first.hear(said(1));
  first.hear(said(2));
  first.hear({ t: "list", at: 5, tab: "waiting", rows: [row(1), row(2)], counts: NO_COUNTS });
  first.drop();
  expect(here.link.value).toBe("lost");
  await vi.advanceTimersByTimeAsync(600_000 - 600);
  wires.at(-1)!.drop();
  const again = await online(here);
  expect(again.take()).toEqual([{ t: "hello", resume: [{ conv: CONV, seq: 2 }], epoch: "e1" }, { t: "list", tab: "waiting", limit: 100 }]);
  again.hear(said(3));
  again.hear({ t: "list", at: 5, tab: "waiting", rows: [row(9)], counts: NO_COUNTS });
  expect(here.open.value?.thread.lines).toHaveLength(3);
  expect(here.list.ids).toEqual([row(9).conv]);
  expect(new Set(wires.map((wire) => wire.protocols[1])).size).toBe(wires.length);
});

it("only the conversation that is looked at is followed", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  wire.take();
  here.visit(CONV);
  wire.hear(said(1));
  here.visit(row(2).conv);
  wire.hear(said(2));
  here.visit(CONV);
  expect(wire.take()).toEqual([
    { t: "open", conv: CONV, seq: 0 },
    { t: "close", conv: CONV },
    { t: "open", conv: row(2).conv, seq: 0 },
    { t: "close", conv: row(2).conv },
    { t: "open", conv: CONV, seq: 1 },
  ]);
});

it("an address that is no conversation's is said to be missing, and asked of nobody", async () => {
  const here = desk();
  here.visit("undefined");
  here.start();
  const wire = await online(here);
  expect([here.missing.value, here.open.value]).toEqual([true, undefined]);
  here.visit("0192F0A1-B2C3-7000-8000-000000000001");
  expect(here.missing.value).toBe(true);
  here.visit(CONV);
  expect(here.missing.value).toBe(false);
  expect(wire.take()).toEqual([{ t: "hello", resume: [] }, { t: "list", tab: "waiting", limit: 100 }, { t: "open", conv: CONV, seq: 0 }]);
  wire.hear({ t: "error", code: "unknown_conversation", message: "" });
  expect([here.missing.value, faults]).toEqual([true, []]);
  here.visit(undefined);
  expect(here.missing.value).toBe(false);
});

it("a gap asks for what is missing; a heartbeat that is ahead does, too", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  wire.hear(said(1));
  wire.take();
  wire.hear(said(3));
  expect(wire.take()).toEqual([{ t: "hello", resume: [{ conv: CONV, seq: 1 }], epoch: "e1" }]);
  wire.hear({ t: "welcome", epoch: "e1", heads: {} });
  wire.take();
  wire.hear({ t: "hb", heads: { [CONV]: 9 } });
  expect(wire.take().map((frame) => frame.t)).toEqual(["hello"]);
});

it("fine filters are asked for over HTTP, the others over the socket", async () => {
  const asked: unknown[] = [];
  const here = desk({ page: async (view) => (asked.push(view), { rows: [row(7, { rating: "down" })], counts: NO_COUNTS }) });
  here.start();
  const wire = await online(here);
  wire.hear({ t: "list", at: 5, tab: "waiting", rows: [], counts: NO_COUNTS });
  wire.take();
  here.show({ tab: "all", tag: "shoes" });
  expect(wire.take()).toEqual([{ t: "list", tab: "all", tag: "shoes", limit: 100 }]);
  here.show({ tab: "all", rating: "down" });
  // Who never asked over the socket would hear of no change.
  expect(wire.take()).toEqual([{ t: "list", tab: "all", limit: 1 }]);
  wire.hear({ t: "list", at: 5, tab: "all", rows: [row(1)], counts: { ...NO_COUNTS, waiting: 3 } });
  expect(here.list.counts.waiting).toBe(3);
  expect(here.list.ids).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toEqual([{ tab: "all", rating: "down" }]);
  expect(here.list.ids).toEqual([row(7).conv]);
});

it("a page that opens with a fine filter, or comes back with one, hears of changes; those that overtake its HTTP page are kept", async () => {
  let answer: (page: RowPage) => void = () => {};
  const told: [(Row | undefined)[], Row[], number][] = [];
  const here = desk({ page: () => new Promise((resolve) => (answer = resolve)), onRows: (...all) => void told.push(all) });
  here.start();
  here.show({ tab: "waiting", owner: "queue" });
  for (const moment of [50, 90]) {
    const wire = await online(here);
    expect(wire.take().at(-1)).toEqual({ t: "list", tab: "waiting", limit: 1 });
    wire.hear({ t: "list", at: moment, tab: "waiting", rows: [], counts: NO_COUNTS });
    const fresh = row(moment + 1, { owner: "queue", waiting_since: moment + 1 });
    wire.hear({ t: "rows", rows: [fresh], gone: [], counts: { ...NO_COUNTS, waiting: 1 } });
    // Read before the change.
    answer({ rows: [row(7, { owner: "queue", waiting_since: 7 })], counts: NO_COUNTS });
    await vi.advanceTimersByTimeAsync(1);
    expect(here.list.ids).toEqual([row(7).conv, fresh.conv]);
    expect(here.list.counts.waiting).toBe(1);
    expect(told.at(-1)).toEqual([[undefined], [fresh], moment]);
    wire.drop();
  }
});

it("a burst is read once: a long conversation that comes event by event is no flood", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  wire.take();
  for (let seq = 1; seq <= 300; seq++) {
    wire.hear(said(seq));
    here.seen();
    await vi.advanceTimersByTimeAsync(2);
  }
  await vi.advanceTimersByTimeAsync(300);
  const sent = wire.take();
  expect(sent.length).toBeLessThanOrEqual(4);
  expect(sent.at(-1)).toEqual({ t: "seen", conv: CONV, seq: 300 });
});

it("reads back until an event is there, and no further than it can", async () => {
  const asked: number[] = [];
  let most = 3;
  const here = desk({
    events: async (conv, before) => {
      asked.push(before);
      if (most-- <= 0) throw Object.assign(new Error("gone"), { code: "offline" });
      const events = Array.from({ length: 200 }, (_, n) => ({ conv, seq: before - 200 + n, at: 1, kind: "note", staff: "tom", text: "x" }) as StaffEvent);
      return { events, more: true };
    },
  });
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  wire.hear(event(1001, { kind: "note", staff: "tom", text: "x" }));
  await here.reach(500);
  expect(asked).toEqual([1001, 801, 601]);
  expect(here.open.value?.thread.first).toBe(401);
  await here.reach(500);
  expect(asked).toHaveLength(3);
  // The server cannot be reached: it is told once, and not asked for ever.
  await here.reach(1);
  expect(asked).toHaveLength(4);
  expect(faults).toEqual(["offline"]);
});

it("colleagues and shoppers type for six seconds; I do not see myself", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  wire.hear({ t: "typing", conv: CONV, who: "staff", staff: "tom" });
  wire.hear({ t: "typing", conv: CONV, who: "staff", staff: "mara" });
  expect(here.typists.value.map((one) => one.staff)).toEqual(["tom"]);
  await vi.advanceTimersByTimeAsync(6_100);
  expect(here.typists.value).toEqual([]);
});

it("a draft comes piece by piece, is stopped, and an error ends it", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  wire.take();
  const heard: string[] = [];
  const draft = here.suggestions.ask(CONV, (text) => void heard.push(text));
  expect(wire.take()).toEqual([{ t: "suggest", conv: CONV }]);
  const piece = (off: number, text: string, ended?: "complete" | "stopped" | "nothing" | "failed"): DeskHears => ({ t: "suggestion", conv: CONV, off, text, ...(ended && { ended }) });
  wire.hear(piece(0, "Yes 😀 "));
  wire.hear(piece(6, "we do"));
  // A shopper came first: it begins again.
  wire.hear(piece(0, ""));
  wire.hear(piece(0, "Yes."));
  wire.hear({ ...piece(0, "Not here."), conv: "other" } as DeskHears);
  expect(heard).toEqual(["Yes 😀 ", "Yes 😀 we do", "", "Yes."]);
  draft.stop();
  expect(wire.take()).toEqual([{ t: "unsuggest", conv: CONV }]);
  wire.hear(piece(4, " W", "stopped"));
  expect(await draft.done).toBe("Yes. W");
  draft.stop();
  expect(wire.take()).toEqual([]);

  const nothing = here.suggestions.ask(CONV, () => {});
  wire.hear(piece(0, "", "nothing"));
  expect(await nothing.done).toBe("");
  const failed = here.suggestions.ask(CONV, () => {});
  wire.hear(piece(0, "", "failed"));
  await expect(failed.done).rejects.toThrow("suggestion_failed");
  const refused = here.suggestions.ask(CONV, () => {});
  wire.hear({ t: "error", code: "restarting", message: "" });
  await expect(refused.done).rejects.toThrow("restarting");
  expect(faults).toEqual([]);
  const first = here.suggestions.ask(CONV, () => {});
  const second = here.suggestions.ask(CONV, () => {});
  expect(await first.done).toBe("");
  wire.drop();
  await expect(second.done).rejects.toThrow("offline");
  await expect(here.suggestions.ask(CONV, () => {}).done).rejects.toThrow("offline");
});
