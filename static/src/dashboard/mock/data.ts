// Made-up conversations of a made-up shop, the same ones every time.

import type { Agent, Canned, Figures, Mood, Numbers, Row } from "../contract";
import type { StaffEvent } from "../state/thread";

/** A small generator (mulberry32), so that every look at the mock is the same. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const dice = random(7);
const pick = <T>(from: readonly T[]): T => from[Math.floor(dice() * from.length)]!;
export const id = (n: number): string => `0192f0a1-b2c3-7${(n % 4096).toString(16).padStart(3, "0")}-8000-${n.toString(16).padStart(12, "0")}`;

const NAMES = ["Ada Lund", "Bo Ferrer", "Chidi Okoro", "Dana Weiss", "Elif Kaya", "Farid Amani", "Greta Holm", "王晓雨", "Hugo Blanc", "Iris Tan", "Jonas Vik", "Kaya Moreau", "李明", "Lena Brandt", "Mateo Ruiz", "Nora Quist", "Omar Said", "Priya Rao", "Quinn Abel", "Rosa Lima"];
const ASKED = [
  "Hi, my parcel says delivered but nothing is here. What now?",
  "Are the Scree boots waterproof enough for a week in Norway?",
  "Can I still change the size of order #48213?",
  "你好，我想退一双穿过的鞋，可以吗？",
  "The zip of my jacket broke after two months.",
  "How long does shipping to Portugal take?",
  "I was charged twice, please fix this today!",
  "Do you have the hut slippers in 44?",
  "Which tent is best for two people and a dog?",
  "I want to talk to a person please.",
];
const TOLD = [
  "You can return any item within 60 days for a full refund, and return shipping is free.",
  "Shipping takes 2 to 4 working days and costs €4.90; it is free for orders over €60.",
  "I am sorry about that. A colleague will look at it with you in a moment.",
  "Yes. The Scree Mid Boot has a waterproof membrane and is made for wet ground.",
  "Thanks, that worked!",
];
const TAGS = ["returns", "shipping", "sizes", "warranty", "payment", "complaint", "尺码"];
export const AGENTS: Agent[] = [
  { name: "mara", display: "Mara Lindqvist", role: "admin", state: "active", totp: true, created_at: 1_730_000_000_000, login_at: Date.now() - 3_600_000 },
  { name: "tom", display: "Tom Ashby", role: "agent", state: "active", totp: false, created_at: 1_731_000_000_000, login_at: Date.now() - 7_200_000 },
  { name: "yue", display: "陈悦", role: "agent", state: "active", totp: true, created_at: 1_732_000_000_000, login_at: Date.now() - 86_400_000 },
  { name: "sam", display: "Sam Ortega", role: "agent", state: "invited", totp: false, created_at: 1_733_000_000_000 },
];
export const CANNED: Canned[] = [
  { id: "c1", shortcut: "hello", title: "Greeting", text: "Hello {{name}}, this is {{agent}} of {{shop}}. I am looking into it now.", by: "mara", updated_at: 1 },
  { id: "c2", shortcut: "return", title: "How to return", text: "You can return it within 60 days, {{name}}. I have sent the label to your e-mail address.", by: "mara", updated_at: 1 },
  { id: "c3", shortcut: "bye", title: "Goodbye", text: "You are welcome, {{name}}. Write here any time!", by: "tom", updated_at: 1 },
];

export function makeRows(count: number): Map<string, Row> {
  const now = Date.now();
  const rows = new Map<string, Row>();
  for (let n = 0; n < count; n++) {
    const age = n < 14 ? n * 140_000 + dice() * 60_000 : n * 260_000 + dice() * 90_000;
    const resolved = n > 12 && dice() < 0.78;
    const owner = resolved ? "ai" : n % 5 === 1 ? "queue" : n % 4 === 0 ? "staff" : "ai";
    const named = dice() < 0.8;
    const name = pick(NAMES);
    const by = pick(["shopper", "shopper", "ai", "staff"] as const);
    rows.set(id(n), {
      conv: id(n),
      seq: 9,
      owner: n > 60 && owner === "queue" ? "ai" : owner,
      ...(owner === "staff" && { staff: n % 8 === 0 ? "mara" : "tom" }),
      status: resolved ? "resolved" : "open",
      ...(owner === "queue" && n <= 60 && { waiting_since: now - age - 40_000, unhappy: n === 6 ? 3 : 0 }),
      unread: !resolved && by === "shopper" && n < 40 ? 1 + Math.floor(dice() * 3) : 0,
      preview: { by, text: by === "shopper" ? pick(ASKED) : pick(TOLD) },
      shopper: { id: id(900_000 + n), ...(named && { name }), ...(dice() < 0.5 && named && { email: `${name.split(" ")[0]!.toLowerCase()}@mail.example` }), verified: named && dice() < 0.6, blocked: n === 23 },
      ...(dice() < 0.25 && { rating: dice() < 0.75 ? ("up" as const) : ("down" as const) }),
      tags: dice() < 0.45 ? [...new Set([pick(TAGS), pick(TAGS)])].slice(0, 1 + Math.floor(dice() * 2)) : [],
      ...(dice() < 0.5 && { mood: pick(["positive", "neutral", "negative"] as const) }),
      viewers: n === 2 ? ["tom"] : [],
      created_at: now - age - 900_000,
      updated_at: now - age,
    });
  }
  return rows;
}

export function makeEvents(row: Row): StaffEvent[] {
  const events: StaffEvent[] = [];
  let at = row.created_at;
  type Body = StaffEvent extends infer E ? (E extends StaffEvent ? Omit<E, "conv" | "seq" | "at"> : never) : never;
  const add = (body: Body): number => events.push({ conv: row.conv, seq: events.length + 1, at: (at += 41_000), ...body } as StaffEvent);
  const from = { model: "smollm2-135m-instruct", adapter: "shop@3", prompt: "9f2c11d04ab7e350", seed: "1844674407370", prompt_tokens: 611, completion_tokens: 42, first_ms: 380, total_ms: 1920 };
  add({ kind: "status", status: "open" });
  add({ kind: "said", cmid: `${row.conv}-1`, by: "shopper", text: row.preview?.by === "shopper" ? row.preview.text : "Hello! I ordered the Scree Mid Boot in 43 last week.\nCan I still swap it for a 44?" });
  add({ kind: "tool", name: "sentiment", outcome: { label: "neutral", scores: { positive: 0.2, neutral: 0.6, negative: 0.2 } } });
  add({ kind: "reply", mid: `${row.conv}-2`, upto: 2, text: "Yes, **exchanging a size is free** within 60 days:\n\n1. Open your order\n2. Choose *Exchange*\n3. Send the old pair back with the label\n\nIf you are between two sizes, take the larger one. More at https://brackenfold.example/returns", ended: "complete", provenance: from });
  add({ kind: "rating", of: 4, value: "up" });
  add({ kind: "said", cmid: `${row.conv}-3`, by: "shopper", text: "I did that on Monday and heard nothing since. This is really annoying." });
  add({ kind: "tool", name: "sentiment", outcome: { label: "negative", scores: { positive: 0.05, neutral: 0.2, negative: 0.75 } } });
  add({ kind: "tool", name: "extract", outcome: { attributes: [{ name: "product", value: "Scree Mid Boot" }, { name: "size", value: "44" }] } });
  add({ kind: "reply", mid: `${row.conv}-4`, upto: 6, text: "I am sorry. Exchanges take 30 days.", ended: "complete", provenance: { ...from, adapter: "shop@2", first_ms: 420, total_ms: 900 } });
  add({ kind: "rating", of: 9, value: "down", comment: "Your page says something else." });
  add({ kind: "correction", of: 9, staff: "mara", text: "I am sorry about the wait. An exchange takes **5 working days** after the parcel reaches us; I have asked our workshop where yours is." });
  add({ kind: "owner", owner: "queue" });
  if (row.owner === "staff" || row.status === "resolved") {
    add({ kind: "owner", owner: "staff", staff: row.staff ?? "tom" });
    add({ kind: "note", staff: row.staff ?? "tom", text: "The parcel was scanned in Leipzig on Tuesday. Warehouse has it, the swap is booked for today." });
    add({ kind: "said", cmid: `${row.conv}-5`, by: "staff", staff: row.staff ?? "tom", text: "Hello, this is Tom. Your boots arrived this morning; the pair in 44 leaves today and should be with you on Friday." });
    add({ kind: "draft", of: 15, staff: row.staff ?? "tom", text: "Your boots arrived. The new pair leaves soon." });
    add({ kind: "said", cmid: `${row.conv}-6`, by: "shopper", text: "Oh great, thank you! 👍" });
    add({ kind: "tool", name: "sentiment", outcome: { label: "positive", scores: { positive: 0.9, neutral: 0.08, negative: 0.02 } } });
  } else if (row.owner === "ai") add({ kind: "owner", owner: "ai" });
  if (row.status === "resolved") add({ kind: "status", status: "resolved" });
  if (row.tags.length) add({ kind: "tags", staff: "mara", tags: row.tags });
  row.seq = events.length;
  return events;
}

export function makeNumbers(from: string, to: string): Numbers {
  const roll = random(from.length * 31 + Number(from.slice(-2)));
  const first = Date.parse(`${from}T00:00:00Z`);
  const count = Math.round((Date.parse(`${to}T00:00:00Z`) - first) / 86_400_000) + 1;
  const times = (middle: number): { n: number; p50: number; p95: number } => ({ n: 60, p50: Math.round(middle * (0.85 + roll() * 0.3)), p95: Math.round(middle * (2.1 + roll())) });
  const day = (n: number): Figures => {
    const weekend = [5, 6].includes((n + 2) % 7) ? 0.55 : 1;
    const conversations = Math.round((70 + 30 * Math.sin(n / 6) + n * 0.7 + roll() * 18) * weekend);
    const model = Math.round(conversations * (0.52 + n * 0.003 + roll() * 0.06));
    return {
      conversations, messages: conversations * 6, replies: conversations * 3, by_staff: Math.round(conversations * 0.8), handoffs: Math.round(conversations * (0.26 - n * 0.002 + roll() * 0.04)),
      resolved_by_model: model, resolved_quietly: Math.round(model * 0.8), resolved_by_staff: Math.round(conversations * 0.22), mood: { positive: Math.round(conversations * 1.4), neutral: conversations * 4, negative: Math.round(conversations * (0.7 - n * 0.004)) }, up: Math.round(model * 0.4), down: Math.round(model * 0.07), first_ms: times(390), total_ms: times(2100), staff_wait_ms: times(94_000),
    };
  };
  const days = Array.from({ length: count }, (_, n) => ({ day: new Date(first + n * 86_400_000).toISOString().slice(0, 10), ...day(n) }));
  const total = days.reduce<Record<string, number>>((all, one) => {
    for (const [key, value] of Object.entries(one)) if (typeof value === "number") all[key] = (all[key] ?? 0) + value;
    return all;
  }, {});
  const mood = (name: Mood): number => days.reduce((sum, one) => sum + one.mood[name], 0);
  return {
    from, to, ready: true, days,
    total: { ...(total as unknown as Figures), mood: { positive: mood("positive"), neutral: mood("neutral"), negative: mood("negative") }, first_ms: times(390), total_ms: times(2100), staff_wait_ms: times(94_000) },
    hours: Array.from({ length: 168 }, (_, n) => [Math.floor(n / 24), n % 24, Math.round(Math.max(0, Math.sin(((n % 24) - 6) / 5.2)) * (n < 120 ? 60 : 28) * (0.7 + roll() * 0.5))] as [number, number, number]),
    models: [
      { model: "smollm2-135m-instruct", adapter: "shop@3", replies: 2841, up: 611, down: 74, handoffs: 420, resolved_by_model: 1210, mood: { positive: 540, neutral: 1480, negative: 210 }, first_ms: { n: 2841, p50: 372, p95: 880 }, total_ms: { n: 2841, p50: 1980, p95: 4600 } },
      { model: "smollm2-135m-instruct", adapter: "shop@2", replies: 1630, up: 302, down: 66, handoffs: 371, resolved_by_model: 590, mood: { positive: 260, neutral: 880, negative: 190 }, first_ms: { n: 1630, p50: 381, p95: 910 }, total_ms: { n: 1630, p50: 2070, p95: 4900 } },
      { model: "smollm2-135m-instruct", replies: 904, up: 118, down: 57, handoffs: 310, resolved_by_model: 240, mood: { positive: 90, neutral: 470, negative: 160 }, first_ms: { n: 904, p50: 365, p95: 870 }, total_ms: { n: 904, p50: 1890, p95: 4400 } },
    ],
    unanswered: [
      { text: "Do you ship to Switzerland, and who pays the duty?", count: 14, convs: [id(3)] },
      { text: "Is the leather of the Fen shoe chrome-free?", count: 9, convs: [id(4)] },
      { text: "Can I pick up an order in a shop?", count: 6, convs: [id(5)] },
    ],
  };
}
