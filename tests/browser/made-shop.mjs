// A shop with a past: conversations over many days, written as an export and brought in with `shopclerk data import`, the
// way real ones come back. The same options give the same shop.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "./harness.mjs";

const DAY = 86_400_000;

/** Numbers from 0 to 1 that look random and are the same every time (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ASKED = [
  ["Where is my parcel? I ordered last week.", "Your parcel is on its way and should arrive within two days."],
  ["Can I return shoes I have worn once?", "You can return them within 30 days if they are clean."],
  ["Do the Heron boots run small?", "They fit true to size; take half a size more for thick socks."],
  ["Is the blue jacket waterproof?", "Yes, it is waterproof up to 10,000 mm."],
  ["How do I change my delivery address?", "Write to us before it is packed and we change it."],
  ["Which size do I need for 27 cm?", "Our size chart says 42."],
  ["我的包裹什么时候到？", "您的包裹预计两天内送达。"],
  ["Wann kommt mein Paket an?", "Ihr Paket kommt in zwei Tagen an."],
  ["When will the green scarf be back in stock?", "It is expected next month."],
  ["Do you have a shop in Leeds?", "We sell online only."],
];
const UNKNOWN = ["Do you ship to Norway?", "Do you ship to norway, please?", "Can you ship to Norway and Sweden?", "Is the leather of the Fen shoe chrome-free?", "Are Fen shoes made of chrome free leather?", "Can I pay with Bitcoin?", "可以送货到瑞士吗？", "你们可以送货到瑞士吗", "Can I pick up my order myself?"];
const NAMES = ["Maya Olsen", "Tom Reed", "Ines Duarte", "李雨桐", "Oskar Lindqvist", "Priya Nair", "Ben Carter", "Lea Hofmann"];
const SORRY = "I am not sure about that. I can help with orders, shipping, returns, sizes and our products, or you can talk to a person.";

/** One conversation: its events are added in order, its head is their sum. */
class Conversation {
  constructor(id, shopper) {
    this.conv = id;
    this.events = [];
    this.head = { seq: 0, shopper, owner: "ai", staff: null, epoch: 0, resolved: false, asked: 0, answered: 0, last_reply: null, created_at: 0, updated_at: 0, unhappy: 0, since: 0 };
  }

  add(at, event) {
    const { head } = this;
    const seq = ++head.seq;
    head.updated_at = at;
    if (event.kind === "said" && event.by === "shopper") head.asked = seq;
    if (event.kind === "said" && event.by !== "shopper") head.answered = head.asked;
    if (event.kind === "reply") {
      head.answered = Math.max(head.answered, event.upto);
      head.last_reply = [seq, event.ended];
    }
    if (event.kind === "status") {
      head.resolved = event.status === "resolved";
      if (event.shopper) head.created_at = at;
      if (head.resolved) head.answered = head.asked;
    }
    if (event.kind === "tags") head.tags = event.tags;
    if (event.kind === "owner") Object.assign(head, { owner: event.owner, epoch: event.epoch, staff: event.staff ?? null });
    if ((event.kind === "status" && event.status !== "retry") || event.kind === "owner") Object.assign(head, { since: seq, unhappy: 0 });
    if (event.kind === "tool" && event.outcome.of > head.since) head.unhappy = event.outcome.label === "negative" ? head.unhappy + 1 : 0;
    this.events.push({ conv: this.conv, seq, at, ...event });
    return seq;
  }
}

/** An id of version 7 of that moment. */
function id(at, roll) {
  const hex = (length) => Array.from({ length }, () => Math.floor(roll() * 16).toString(16)).join("");
  const time = Math.floor(at).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(3)}-8${hex(3)}-${hex(12)}`;
}

/** When somebody writes: more by day than at night, less on weekends. */
function moment(roll, now, days) {
  for (;;) {
    const at = now - roll() * days * DAY;
    const date = new Date(at);
    const hour = date.getUTCHours();
    const likely = Math.max(0.06, Math.sin(((hour - 6) / 16) * Math.PI)) * ([0, 6].includes(date.getUTCDay()) ? 0.5 : 1);
    if (roll() < likely) return Math.floor(at);
  }
}

function converse(talk, at, { roll, exchanges, newness }) {
  const label = () => (roll() < 0.16 - 0.1 * newness ? "negative" : roll() < 0.3 ? "positive" : "neutral");
  const provenance = (first, total) => ({ model: "smollm2-135m-instruct", ...(newness > 0.66 ? { adapter: "shop@2" } : newness > 0.33 ? { adapter: "shop@1" } : {}), prompt: "0000000000000000", seed: 1, prompt_tokens: 300, completion_tokens: 30, first_ms: first, total_ms: total });
  let now = at;
  talk.add(now, { kind: "status", status: "open", shopper: talk.head.shopper });
  const say = (text) => talk.add(now, { kind: "said", cmid: id(now, roll), by: "shopper", text });
  const feel = (of) => {
    const mood = label();
    const sure = 0.55 + roll() * 0.4;
    const rest = (1 - sure) / 2;
    talk.add(now, { kind: "tool", name: "sentiment", outcome: { of, label: mood, scores: { positive: rest, neutral: rest, negative: rest, [mood]: sure } } });
  };
  const answer = (upto, text, ended = "complete") => {
    const first = Math.round(250 + roll() ** 3 * 900);
    const total = Math.round(first + 400 + roll() * 2600);
    now += total + Math.round(roll() ** 4 * 3000);
    const seq = talk.add(now, { kind: "reply", mid: id(now, roll), upto, text, ended, provenance: provenance(first, total) });
    now += 800;
    return seq;
  };
  const staff = ["mara", "jonas"][Math.floor(roll() * 2)];
  for (let n = 0; n < exchanges; n += 1) {
    const [question, reply] = ASKED[Math.floor(roll() * ASKED.length)];
    const of = say(question);
    const seq = answer(of, reply);
    feel(of);
    if (roll() < 0.18) talk.add((now += 4_000), { kind: "rating", of: seq, value: roll() < 0.72 + 0.2 * newness ? "up" : "down" });
    now += 20_000 + roll() * 60_000;
    now = Math.floor(now);
  }
  if (roll() > 0.3 - 0.18 * newness) return;
  // One that the assistant cannot answer.
  const of = say(UNKNOWN[Math.floor(roll() * UNKNOWN.length)]);
  answer(of, SORRY, "refused");
  feel(of);
  if (roll() < 0.2) return;
  talk.add((now += 6_000), { kind: "owner", owner: "queue", epoch: 1, why: { reason: "asked" } });
  if (roll() < 0.04) return;
  now = Math.floor(now + 30_000 + roll() ** 2 * 240_000);
  talk.add(now, { kind: "owner", owner: "staff", epoch: 2, staff });
  now = Math.floor(now + 8_000 + roll() * 40_000);
  talk.add(now, { kind: "said", cmid: id(now, roll), by: { staff }, text: "Thanks for your patience. I looked it up for you: yes, we can do that." });
  talk.add((now += 60_000), { kind: "status", status: "resolved" });
  talk.add(now, { kind: "owner", owner: "ai", epoch: 3 });
}

/**
 * Brings a shop with a past into `data`, which must have no store yet.
 * `each`: exchanges of a conversation, at least and at most. `says`: questions of one more conversation, of the newest date,
 * with a named shopper who is nobody else.
 */
export function importShop(data, { conversations = 600, days = 60, now = Date.now(), seed = 7, each = [1, 4], says } = {}) {
  const roll = random(seed);
  const talks = [];
  const shoppers = [];
  for (let n = 0; n < conversations; n += 1) {
    const at = moment(roll, now - 3_600_000, days);
    const shopper = id(at, roll);
    const name = NAMES[n % NAMES.length];
    shoppers.push({ id: shopper, name: roll() < 0.4 ? name : null, email: roll() < 0.25 ? `shopper${n}@example.com` : null });
    const talk = new Conversation(id(at, roll), shopper);
    const exchanges = each[0] + Math.floor(roll() * (each[1] - each[0] + 1));
    converse(talk, at, { roll, exchanges, newness: 1 - (now - at) / (days * DAY) });
    talks.push(talk);
  }
  if (says) {
    const shopper = id(now, roll);
    shoppers.push({ id: shopper, name: says.name, email: says.email });
    const talk = new Conversation(id(now, roll), shopper);
    let at = Math.floor(now - says.texts.length * 2_000);
    talk.add(at, { kind: "status", status: "open", shopper });
    for (const text of says.texts) {
      const upto = talk.add((at += 1_000), { kind: "said", cmid: id(at, roll), by: "shopper", text });
      talk.add((at += 900), { kind: "reply", mid: id(at, roll), upto, text: "So it is.", ended: "complete" });
    }
    if (says.tags) talk.add(at, { kind: "tags", by: "mara", tags: says.tags });
    talks.push(talk);
  }
  const folder = join(tmpdir(), `made-shop-${process.pid}-${seed}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const tables = {};
  const write = (name, rows) => {
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    writeFileSync(join(folder, `${name}.ndjson`), text);
    tables[name] = { rows: rows.length, sha256: createHash("sha256").update(text).digest("hex") };
  };
  write("conversations", talks.map(({ conv, head }) => ({ conv, head })));
  write("events", talks.flatMap(({ events }) => events));
  write("ratings", []);
  write("provenance", []);
  write("shoppers", shoppers.map((one) => ({ ...one, external: null, verified: false, created_at: 0 })));
  writeFileSync(join(folder, "manifest.json"), JSON.stringify({ format: 1, tables, holes: 0 }));
  execFileSync(binary(), ["--data", data, "data", "import", folder], { stdio: ["ignore", "ignore", "inherit"] });
  rmSync(folder, { recursive: true, force: true });
  return talks;
}
