import { expect, it, vi } from "vitest";
import { row } from "./dashboard-rows";
import { CONV, desk, event, faults, freshly, online } from "./dashboard-wire";

const OTHER = row(2).conv;

freshly();

it("a reply without the conversation takes it over first, and is sent once", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  wire.take();
  here.say("Yes.", { draft: "Yes!" });
  expect(wire.take()).toEqual([{ t: "take", conv: CONV }, { t: "say", conv: CONV, cmid: "id1", text: "Yes.", draft: "Yes!" }]);
  wire.hear(event(1, { kind: "owner", owner: "staff", staff: "mara" }));
  wire.hear({ t: "ack", cmid: "id1", seq: 2 });
  wire.hear(event(2, { kind: "said", cmid: "id1", by: "staff", staff: "mara", text: "Yes." }));
  expect(here.letters.value).toEqual([]);
  here.say("More.");
  expect(wire.take()).toEqual([{ t: "say", conv: CONV, cmid: "id2", text: "More." }]);
  wire.hear({ t: "ack", cmid: "id2", seq: 3 });
  wire.hear(event(3, { kind: "owner", owner: "ai" }));
  here.say("Again.");
  expect(wire.take()[0]).toEqual({ t: "take", conv: CONV });
});

it("what was written without a connection is sent when it is back", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  wire.hear(event(1, { kind: "owner", owner: "staff", staff: "mara" }));
  wire.drop();
  here.say("Kept.");
  expect(here.letters.value.map((letter) => letter.text)).toEqual(["Kept."]);
  const again = await online(here);
  expect(again.take().at(-1)).toEqual({ t: "say", conv: CONV, cmid: "id1", text: "Kept." });
});

it("a refused reply stays and says why; a refused take-over says so once", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  here.say("Mine?");
  wire.hear({ t: "error", code: "not_owner", message: "" });
  wire.hear({ t: "error", code: "not_owner", message: "", cmid: "id1" });
  expect(faults).toEqual(["not_owner"]);
  expect(here.letters.value[0]?.refused).toBe("not_owner");
  here.discard("id1");
  expect(here.letters.value).toEqual([]);
});

it("a reply that was left behind is sent all the same, with a take-over of its own conversation", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  wire.hear(event(1, { kind: "owner", owner: "staff", staff: "mara" }));
  // The first goes out and its acknowledgement is lost with the socket; the second is written without one.
  here.say("Lost?");
  wire.drop();
  here.say("Offline.");
  here.visit(OTHER);
  here.say("Elsewhere.");
  const again = await online(here);
  expect(again.take().filter((frame) => frame.t !== "list" && frame.t !== "hello")).toEqual([
    { t: "take", conv: CONV },
    { t: "say", conv: CONV, cmid: "id1", text: "Lost?" },
    { t: "say", conv: CONV, cmid: "id2", text: "Offline." },
    { t: "take", conv: OTHER },
    { t: "say", conv: OTHER, cmid: "id3", text: "Elsewhere." },
  ]);
  again.hear({ t: "error", code: "nothing_to_do", message: "" });
  for (const [n, seq] of [[1, 2], [2, 3]]) again.hear({ t: "ack", cmid: `id${n}`, seq: seq! });
  expect([here.letters.value.map((letter) => letter.text), faults]).toEqual([["Elsewhere."], []]);
  here.visit(CONV);
  expect(again.take().map((frame) => frame.t)).toEqual(["close", "open"]);
  again.hear(event(2, { kind: "said", cmid: "id1", by: "staff", staff: "mara", text: "Lost?" }));
  again.hear(event(3, { kind: "said", cmid: "id2", by: "staff", staff: "mara", text: "Offline." }));
  expect(here.letters.value).toEqual([]);
});

it("a reply that the server put off is sent when its time has come, wherever the agent is", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  here.say("Now?");
  wire.hear({ t: "error", code: "restarting", message: "", cmid: "id1", retry_after: 5 });
  here.visit(OTHER);
  wire.take();
  await vi.advanceTimersByTimeAsync(4_000);
  expect(wire.take()).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(wire.take()).toEqual([{ t: "take", conv: CONV }, { t: "say", conv: CONV, cmid: "id1", text: "Now?" }]);
});

it("a conversation that is visited has its replies sent, whoever wrote them into the storage", async () => {
  const kept = new Map<string, unknown>();
  const here = desk({ keep: { get: <T>(key: string) => kept.get(key) as T, set: (key, value) => void kept.set(key, value) } });
  here.start();
  const wire = await online(here);
  wire.take();
  kept.set("outbox", [{ cmid: "old", conv: CONV, text: "Of another tab.", at: 1 }]);
  here.visit(CONV);
  expect(wire.take().map((frame) => frame.t)).toEqual(["open", "take", "say"]);
});

it("a reply that also corrects says so once it is on the server's disk, and once", async () => {
  const here = desk();
  here.start();
  const wire = await online(here);
  here.visit(CONV);
  wire.hear(event(1, { kind: "owner", owner: "staff", staff: "mara" }));
  here.say("60 days.", { corrects: 7 });
  here.visit(OTHER);
  wire.drop();
  const again = await online(here);
  expect(again.take().filter((frame) => frame.t === "say" || frame.t === "correct")).toEqual([{ t: "say", conv: CONV, cmid: "id1", text: "60 days." }]);
  again.hear({ t: "ack", cmid: "id1", seq: 9 });
  again.hear({ t: "ack", cmid: "id1", seq: 9 });
  expect(again.take()).toEqual([{ t: "correct", conv: CONV, seq: 7, text: "60 days." }]);
  here.say("Gone.", { corrects: 8 });
  again.hear({ t: "error", code: "not_owner", message: "", cmid: "id2" });
  here.discard("id2");
  again.take();
  again.hear({ t: "ack", cmid: "id2", seq: 9 });
  expect(again.take()).toEqual([]);
});
