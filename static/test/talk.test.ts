import { describe, expect, it } from "vitest";
import { apply, isReplying, isWaiting, newTalk, prepend, retryable, type Talk } from "../src/widget/talk";
import type { ServerFrame, WireEvent, WireKind } from "../src/wire";

const conv = "0192f000-0000-7000-8000-000000000001";
const event = (seq: number, kind: WireKind): { t: "event" } & WireEvent => ({ t: "event", conv, seq, at: 1_700_000_000_000 + seq, ...kind });
const said = (seq: number, text: string, by: "shopper" | "staff" = "shopper") => event(seq, { kind: "said", cmid: `c${seq}`, by, text });
const reply = (seq: number, upto: number, text: string, ended: "complete" | "stopped" | "interrupted" | "failed" = "complete") =>
  event(seq, { kind: "reply", mid: `m${upto}`, upto, text, ended });
const delta = (mid: string, off: number, text: string): ServerFrame => ({ t: "delta", conv, mid, off, text });
const play = (...frames: ServerFrame[]): [Talk, string[]] => {
  const talk = newTalk(conv);
  return [talk, frames.map((frame) => apply(talk, frame))];
};
const opened = event(1, { kind: "status", status: "open" });

describe("events", () => {
  it("make the transcript, once and in order", () => {
    const [talk, outcomes] = play(opened, said(2, "Hi"), reply(3, 2, "Hello"), said(2, "Hi"), reply(3, 2, "Hello"));
    expect(outcomes).toEqual(["applied", "applied", "applied", "ignored", "ignored"]);
    expect(talk.lines.map((line) => line.text)).toEqual(["Hi", "Hello"]);
  });

  it("with a gap change nothing until what is missing has come", () => {
    const [talk, outcomes] = play(opened, reply(3, 2, "Hello"));
    expect(outcomes).toEqual(["applied", "gap"]);
    expect(talk).toMatchObject({ seq: 1, lines: [] });
    expect(apply(talk, said(2, "Hi"))).toBe("applied");
    expect(apply(talk, reply(3, 2, "Hello"))).toBe("applied");
    expect(talk.lines).toHaveLength(2);
  });

  it("that are private keep the numbers without a gap", () => {
    const [talk, outcomes] = play(opened, event(2, { kind: "hidden" }), said(3, "Hi"));
    expect(outcomes).toEqual(["applied", "applied", "applied"]);
    expect(talk.seq).toBe(3);
  });

  it("of another conversation are ignored", () => {
    const talk = newTalk("another");
    expect(apply(talk, opened)).toBe("ignored");
    expect(talk.seq).toBe(0);
  });

  it("may begin anywhere after a reset, and older ones go in front", () => {
    const talk: Talk = { ...newTalk(conv), anywhere: true };
    expect(apply(talk, reply(8, 7, "new"))).toBe("applied");
    expect(talk).toMatchObject({ seq: 8, first: 8 });
    prepend(talk, [said(6, "old"), said(7, "older than new")]);
    expect(talk.lines.map((line) => line.seq)).toEqual([6, 7, 8]);
    expect(talk.first).toBe(6);
    prepend(talk, [said(3, "a page with a hole behind it")]);
    expect(talk.first).toBe(6);
  });
});

describe("a reply in the making", () => {
  it("grows by its offsets, counted in characters and not in UTF-16 units", () => {
    const [talk] = play(opened, said(2, "Hi"), delta("m2", 0, "👟 shoes"), delta("m2", 7, " and 靴子"));
    expect(talk.live).toEqual({ mid: "m2", text: "👟 shoes and 靴子", length: 14 });
  });

  it("takes a piece that comes twice once, and the whole text so far after a resume", () => {
    const [talk] = play(opened, said(2, "Hi"), delta("m2", 0, "One "), delta("m2", 4, "two "), delta("m2", 4, "two "), delta("m2", 0, "One two three"));
    expect(talk.live?.text).toBe("One two three");
  });

  it("asks for what is missing when a piece begins behind its end", () => {
    const [talk, outcomes] = play(opened, said(2, "Hi"), delta("m2", 5, "late"));
    expect(outcomes[2]).toBe("gap");
    expect(talk.live).toBeNull();
  });

  it("is replaced by the final reply, and a late piece is dropped", () => {
    const [talk, outcomes] = play(opened, said(2, "Hi"), delta("m2", 0, "Hel"), reply(3, 2, "Hello there"), delta("m2", 3, "lo"));
    expect(outcomes[4]).toBe("ignored");
    expect(talk.live).toBeNull();
    expect(talk.lines.at(-1)).toMatchObject({ id: "m2", text: "Hello there", ended: "complete" });
  });
});

describe("who is at work", () => {
  it("is the assistant from the question to the end of the answer", () => {
    const [talk] = play(opened);
    expect(isReplying(talk)).toBe(false);
    apply(talk, said(2, "Hi"));
    expect(isWaiting(talk)).toBe(true);
    apply(talk, { t: "queued", conv, position: 3 });
    expect(talk.place).toBe(3);
    apply(talk, delta("m2", 0, "He"));
    expect([isWaiting(talk), isReplying(talk), talk.place]).toEqual([false, true, 0]);
    apply(talk, reply(3, 2, "Hello"));
    expect(isReplying(talk)).toBe(false);
  });

  it("is nobody but the person once one was asked for", () => {
    const [talk] = play(opened, said(2, "Hi"), delta("m2", 0, "He"), event(3, { kind: "owner", owner: "queue", reason: "asked" }));
    expect(talk).toMatchObject({ owner: "queue", live: null });
    expect(isReplying(talk)).toBe(false);
    apply(talk, event(4, { kind: "owner", owner: "staff" }));
    apply(talk, said(5, "Hello, I am a person", "staff"));
    expect(talk.answered).toBe(talk.asked);
    expect(talk.lines.map((line) => line.note ?? line.kind)).toEqual(["shopper", "queue", "staff", "staff"]);
  });

  it("does not say that a shopper asked for a person who did not, and knows when nobody is there", () => {
    const [talk] = play(opened, said(2, "Refund!"), event(3, { kind: "owner", owner: "queue", away: true }));
    expect([talk.lines.at(-1)?.note, talk.away]).toEqual(["hand", true]);
    apply(talk, event(4, { kind: "owner", owner: "ai" }));
    expect([talk.lines.at(-1)?.note, talk.away]).toEqual(["ai", false]);
  });
});

describe("a cut reply", () => {
  it("can be asked for again while it is the newest entry, and gives way to the new one", () => {
    const [talk] = play(opened, said(2, "Hi"), reply(3, 2, "Hel", "stopped"));
    expect(retryable(talk)?.id).toBe("m2");
    apply(talk, event(4, { kind: "status", status: "retry" }));
    expect(talk.lines.map((line) => line.kind)).toEqual(["shopper"]);
    expect(isWaiting(talk)).toBe(true);
    expect(retryable(talk)).toBeUndefined();
    apply(talk, event(5, { kind: "reply", mid: "m9", upto: 2, text: "Hello", ended: "complete" }));
    expect(retryable(talk)).toBeUndefined();
  });

  it("cannot be asked for again after another message or with a person", () => {
    const [later] = play(opened, said(2, "Hi"), reply(3, 2, "Hel", "failed"), said(4, "So?"));
    expect(retryable(later)).toBeUndefined();
    const [person] = play(opened, said(2, "Hi"), reply(3, 2, "Hel", "failed"), event(4, { kind: "owner", owner: "queue", reason: "asked" }));
    expect(retryable(person)).toBeUndefined();
  });
});

it("a rating marks the rated reply, and the last one counts", () => {
  const [talk] = play(opened, said(2, "Hi"), reply(3, 2, "Hello"), event(4, { kind: "rating", of: 3, value: "up" }), event(5, { kind: "rating", of: 3, value: "down", comment: "wrong" }));
  expect(talk.lines[1]?.thumb).toBe("down");
});

it("closing ends the waiting, and a new message opens again", () => {
  const [talk] = play(opened, said(2, "Hi"), event(3, { kind: "status", status: "resolved" }));
  expect([talk.resolved, isReplying(talk)]).toEqual([true, false]);
  apply(talk, event(4, { kind: "status", status: "open" }));
  expect(talk.resolved).toBe(false);
});

it("closing in the middle of an answer keeps what was shown, which may be asked for again", () => {
  const [talk] = play(opened, said(2, "Hi"), delta("m2", 0, "Hel"), reply(3, 2, "Hel", "interrupted"), event(4, { kind: "status", status: "resolved" }));
  expect(talk).toMatchObject({ resolved: true, live: null });
  expect(talk.lines.map((line) => [line.kind, line.text])).toEqual([["shopper", "Hi"], ["reply", "Hel"], ["note", ""]]);
  expect(retryable(talk)?.seq).toBe(3);
  apply(talk, event(5, { kind: "status", status: "open" }));
  apply(talk, event(6, { kind: "status", status: "retry" }));
  expect([talk.resolved, isWaiting(talk)]).toEqual([false, true]);
});

it("frames that are not about a conversation change nothing", () => {
  const [talk, outcomes] = play(
    { t: "welcome", epoch: "e", heads: { [conv]: 3 } },
    { t: "ack", cmid: "c", seq: 2 },
    { t: "error", code: "busy", message: "", retry_after: 3 },
    { t: "hb", heads: {} },
    { t: "bye", reconnect_in_ms: 900 },
    { t: "typing", conv, who: "staff" },
    { t: "reset", conv },
  );
  expect(new Set(outcomes)).toEqual(new Set(["ignored"]));
  expect(talk.seq).toBe(0);
});
