import { expect, it } from "vitest";
import { attributesOf, callOf, freeShortcut, pieces, shortcutOf, spansOf } from "../src/dashboard/state/findings";
import { applyDelta, applyEvent, correctable, isWaiting, moodOf, newThread, prepend, type StaffEvent, type Thread, type Written } from "../src/dashboard/state/thread";

const CONV = "0192f0a1-0000-7000-8000-000000000001";
type Body = StaffEvent extends infer E ? (E extends StaffEvent ? Omit<E, "conv" | "seq" | "at"> : never) : never;
const event = (seq: number, body: Body): StaffEvent => ({ conv: CONV, seq, at: 1000 + seq, ...body }) as StaffEvent;
const said = (seq: number, text = "hi"): StaffEvent => event(seq, { kind: "said", cmid: `c${seq}`, by: "shopper", text });
const reply = (seq: number, upto: number): StaffEvent => event(seq, { kind: "reply", mid: `m${seq}`, upto, text: "Hello", ended: "complete" });

function fold(...events: StaffEvent[]): Thread {
  const thread = newThread(CONV);
  for (const one of events) expect(applyEvent(thread, one)).toBe("applied");
  return thread;
}

it("a conversation unfolds: message, reply, rating, note, take-over", () => {
  const thread = fold(
    event(1, { kind: "status", status: "open" }),
    said(2),
    reply(3, 2),
    event(4, { kind: "rating", of: 3, value: "down", comment: "no" }),
    event(5, { kind: "note", staff: "mara", text: "look" }),
    event(6, { kind: "owner", owner: "staff", staff: "mara" }),
  );
  expect(thread.lines.map((line) => line.kind)).toEqual(["shopper", "reply", "note", "mark"]);
  expect(thread.lines[1]).toMatchObject({ thumb: "down", comment: "no" });
  expect([thread.owner, thread.staff, isWaiting(thread)]).toEqual(["staff", "mara", false]);
});

it("resolved in the middle of an answer, it keeps what was shown", () => {
  const thread = fold(said(1));
  applyDelta(thread, { mid: "m2", off: 0, text: "Hel" });
  applyEvent(thread, event(2, { kind: "reply", mid: "m2", upto: 1, text: "Hel", ended: "interrupted" }));
  applyEvent(thread, event(3, { kind: "status", status: "resolved" }));
  expect(thread.lines.map((line) => line.kind)).toEqual(["shopper", "reply", "mark"]);
  expect(thread.lines[1]).toMatchObject({ text: "Hel", ended: "interrupted" });
  expect([thread.resolved, thread.live, isWaiting(thread)]).toEqual([true, null, false]);
});

it("it is told why a person is wanted, until somebody else has it", () => {
  const thread = fold(said(1), event(2, { kind: "owner", owner: "queue", reason: "word", away: true }));
  expect(thread.reason).toBe("word");
  expect(thread.lines[1]).toMatchObject({ kind: "mark", what: "queue", reason: "word", away: true });
  applyEvent(thread, event(3, { kind: "owner", owner: "staff", staff: "mara" }));
  expect(thread.reason).toBeUndefined();
});

it("a summary has its points, and who gave it to whom is told", () => {
  const points = [{ about: "question" as const, text: "Is it warm?" }];
  const thread = fold(said(1), event(2, { kind: "summary", text: "Is it warm?", points }), event(3, { kind: "owner", owner: "staff", staff: "tom", by: "mara" }));
  expect(thread.lines[1]).toMatchObject({ kind: "summary", text: "Is it warm?", points });
  expect(thread.lines[2]).toMatchObject({ kind: "mark", what: "staff", staff: "tom", by: "mara" });
});

it("a correction stands beside the reply, a draft beside the message it became, and both replace the line's object", () => {
  const thread = fold(said(1), reply(2, 1), event(3, { kind: "said", cmid: "c3", by: "staff", staff: "mara", text: "Yes, 60 days." }));
  const before = thread.lines[1];
  applyEvent(thread, event(4, { kind: "correction", of: 2, staff: "mara", text: "60 days" }));
  applyEvent(thread, event(5, { kind: "draft", of: 3, staff: "mara", text: "Yes." }));
  expect(thread.lines[1]).not.toBe(before);
  expect(thread.lines[1]).toMatchObject({ text: "Hello", correction: { text: "60 days", staff: "mara" } });
  expect(thread.lines[2]).toMatchObject({ text: "Yes, 60 days.", draft: "Yes." });
});

it("an event twice is ignored, a missing one is a gap, and the first may have any number", () => {
  const thread = fold(said(41));
  expect(thread.first).toBe(41);
  expect(applyEvent(thread, said(41))).toBe("ignored");
  expect(applyEvent(thread, said(43))).toBe("gap");
  expect(thread.lines).toHaveLength(1);
});

it("older events go in front, if they fit", () => {
  const thread = fold(said(5), said(6));
  prepend(thread, [said(2), said(3)]);
  expect(thread.first).toBe(5);
  prepend(thread, [said(3), said(4)]);
  expect([thread.first, thread.lines.length, thread.seq]).toEqual([3, 4, 6]);
});

it("pieces of a reply join by their offset in characters, not in UTF-16 units", () => {
  const thread = fold(said(1));
  expect(isWaiting(thread)).toBe(true);
  expect(applyDelta(thread, { mid: "m", off: 0, text: "👍 o" })).toBe("applied");
  expect(applyDelta(thread, { mid: "m", off: 3, text: "k" })).toBe("applied");
  expect(thread.live?.text).toBe("👍 ok");
  expect(applyDelta(thread, { mid: "m", off: 9, text: "late" })).toBe("gap");
  applyEvent(thread, event(2, { kind: "reply", mid: "m", upto: 1, text: "👍 ok", ended: "complete" }));
  expect(applyDelta(thread, { mid: "m", off: 4, text: "!" })).toBe("ignored");
  expect(thread.live).toBeNull();
});

it("moods come from findings about sentiment, of whatever shape they are", () => {
  expect(moodOf({ label: "negative", scores: { positive: 0.1, neutral: 0.2, negative: 0.7 } })).toEqual({ label: "negative", value: 0.1 - 0.7 });
  expect(moodOf({ label: "positive" })).toEqual({ label: "positive", value: 1 });
  expect(moodOf({ label: "<img>" })).toBeUndefined();
  expect(moodOf(null)).toBeUndefined();
  const thread = fold(said(1), event(2, { kind: "tool", name: "sentiment", outcome: { label: "neutral" } }), event(3, { kind: "tool", name: "extract", outcome: { label: "positive" } }));
  expect(thread.moods).toEqual([{ at: 1002, label: "neutral", value: 0 }]);
});

it("what this page does not know yet does not stop it", () => {
  const thread = fold(said(1));
  expect(applyEvent(thread, { conv: CONV, seq: 2, at: 1, kind: "from_the_future" } as unknown as StaffEvent)).toBe("applied");
  expect(thread.seq).toBe(2);
});

it("what a colleague had looked up stands beside its message, newest of a tool, and says nothing of the mood", () => {
  const thread = fold(said(1, "It is 😡 bad. Red box."), reply(2, 1));
  const tool = (seq: number, name: string, outcome: object): StaffEvent => event(seq, { kind: "tool", name, outcome });
  applyEvent(thread, tool(3, "sentiment", { of: 1, label: "negative", scores: {} }));
  applyEvent(thread, tool(4, "sentiment", { of: 1, by: "mara", label: "negative", scores: {}, evidence: [{ start: 0, end: 12 }] }));
  applyEvent(thread, tool(5, "sentiment", { of: 1, by: "tom", label: "neutral", scores: {} }));
  applyEvent(thread, tool(6, "extract", { of: 1, by: "mara", attributes: [{ name: "Color", value: "Red", start: 13, end: 16, confidence: 0.87 }, { name: "size", value: "L", confidence: "high" }, { name: 3 }] }));
  applyEvent(thread, tool(7, "qa", { of: 99, by: "mara", pairs: [] }));
  expect(thread.moods).toHaveLength(1);
  expect(thread.lines.map((line) => line.kind)).toEqual(["shopper", "reply", "tool", "tool"]);
  const line = thread.lines[0] as Written;
  expect(line.findings!.map((one) => [one.seq, one.name, one.by])).toEqual([[5, "sentiment", "tom"], [6, "extract", "mara"]]);
  const found = line.findings![1]!;
  expect(attributesOf(found)).toEqual([{ name: "Color", value: "Red", confidence: 0.87 }, { name: "size", value: "L" }]);
  expect(pieces(line.text, spansOf(found, [...line.text].length))).toEqual(["It is 😡 bad. ", "Red", " box."]);
});

it("spans that lie are left out, and a shortcut is made of any question", () => {
  const finding = { seq: 1, at: 0, name: "qa", by: "x", outcome: { pairs: [{ start: 2, end: 4 }, { start: 0, end: 3 }, { start: -1, end: 2 }, { start: 5, end: 99 }, { start: "0", end: 1 }, null] } };
  expect(spansOf(finding, 6)).toEqual([[0, 3]]);
  expect(spansOf({ ...finding, outcome: { pairs: "no", evidence: 4 } }, 6)).toEqual([]);
  expect(shortcutOf("Where is my parcel?")).toBe("where-is-my-parcel");
  expect(shortcutOf("Où est Ünter die längste Beschreibung aller Zeiten")).toBe("ou-est-unter-die-langste");
  expect(shortcutOf("退货政策是什么？")).toBe("answer");
  expect(freeShortcut("x".repeat(40), new Set(["x".repeat(32)]))).toBe(`${"x".repeat(30)}-2`);
  // A shop that writes Chinese saves more than nine.
  const taken = new Set<string>();
  for (let n = 0; n < 30; n += 1) taken.add(freeShortcut("退货政策是什么？", taken));
  expect([taken.size, [...taken].at(-1)]).toEqual([30, "answer-30"]);
  // A pair of a whole conversation marks nothing in a message that is not its own.
  const pairs = [{ seq: 4, start: 0, end: 2 }, { seq: 9, start: 3, end: 5 }, { start: 5, end: 6 }];
  expect(spansOf({ ...finding, outcome: { of: 9, pairs } }, 6)).toEqual([[3, 5], [5, 6]]);
});

it("a reply can correct the newest answer if the model made it, once", () => {
  const thread = fold(said(1), reply(2, 1), said(3), event(4, { kind: "note", staff: "mara", text: "look" }));
  expect(correctable(thread)?.seq).toBe(2);
  applyDelta(thread, { mid: "m5", off: 0, text: "One mo" });
  expect(correctable(thread)).toBeUndefined();
  applyEvent(thread, reply(5, 3));
  expect(correctable(thread)?.seq).toBe(5);
  applyEvent(thread, event(6, { kind: "correction", of: 5, staff: "mara", text: "No." }));
  expect(correctable(thread)).toBeUndefined();
  applyEvent(thread, reply(7, 3));
  applyEvent(thread, event(8, { kind: "said", cmid: "s", by: "staff", staff: "mara", text: "Hello" }));
  expect([correctable(thread), correctable(newThread(CONV))]).toEqual([undefined, undefined]);
});

it("a call of the model stands between question and reply, with what it was called with", () => {
  const outcome = { round: 1, arguments: '{"order": "B-10412", "limit": 2}', result: "found", found: "{}" };
  const thread = fold(said(1), event(2, { kind: "tool", name: "order_status", outcome }));
  expect([thread.lines[1]?.kind, thread.moods]).toEqual(["tool", []]);
  expect(callOf(outcome)).toEqual({ result: "found", words: "B-10412, 2" });
  expect(callOf({ ...outcome, arguments: '{"query": "cut of', result: "bad_arguments" })?.words).toBe('{"query": "cut of');
  expect(callOf({ ...outcome, called: "delete_all" })?.words).toBe("delete_all");
  expect([callOf({ label: "negative" }), callOf({ result: 3, round: 1 })]).toEqual([undefined, undefined]);
});
