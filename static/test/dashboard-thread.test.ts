import { expect, it } from "vitest";
import { applyDelta, applyEvent, isWaiting, moodOf, newThread, prepend, type StaffEvent, type Thread } from "../src/dashboard/state/thread";

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

it("it is told why a person is wanted, until somebody else has it", () => {
  const thread = fold(said(1), event(2, { kind: "owner", owner: "queue", reason: "word", away: true }));
  expect(thread.reason).toBe("word");
  expect(thread.lines[1]).toMatchObject({ kind: "mark", what: "queue", reason: "word", away: true });
  applyEvent(thread, event(3, { kind: "owner", owner: "staff", staff: "mara" }));
  expect(thread.reason).toBeUndefined();
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
