// One conversation as staff see it: the fold of its numbered events, plus the reply in the making.
//
// Knows nothing of sockets or of the page, so every frame can be tested as data.

import type { Mood, Owner, Thumb } from "../contract";
import type { WireEvent, WireKind, WireProvenance } from "../../wire";
import { type Finding, findingOf } from "./findings";
import type { TeachEvent } from "./frames";

type Of<K extends WireKind["kind"]> = Extract<WireKind, { kind: K }>;
export type Reason = NonNullable<Of<"owner">["reason"]>;
export type Ended = Of<"reply">["ended"];
export type StaffEvent = WireEvent | ({ conv: string; seq: number; at: number } & TeachEvent);

interface Base {
  /** Stays the same while a streamed reply becomes a final one. */
  id: string;
  seq: number;
  at: number;
}

export interface Written extends Base {
  kind: "shopper" | "staff" | "note" | "summary";
  text: string;
  staff?: string;
  /** What the model had suggested for this message. */
  draft?: string;
  /** Of a summary: what was found out. */
  points?: Of<"summary">["points"];
  findings?: Finding[];
}

export interface Reply extends Base {
  kind: "reply";
  text: string;
  ended: Ended;
  provenance?: WireProvenance;
  thumb?: Thumb;
  comment?: string;
  /** What it should have said. */
  correction?: { text: string; staff: string; at: number };
  findings?: Finding[];
}

export interface Mark extends Base {
  kind: "mark";
  what: Owner | "resolved" | "open" | "retry";
  staff?: string;
  /** Which colleague gave it to `staff`. */
  by?: string;
  /** Why a person is wanted, and that nobody is there. */
  reason?: Reason;
  away?: boolean;
}

export interface Tool extends Base {
  kind: "tool";
  name: string;
  outcome: unknown;
}

/** One entry of the transcript. */
export type Line = Written | Reply | Mark | Tool;

export interface Live {
  mid: string;
  text: string;
  /** Length in Unicode characters, as the server counts offsets. */
  length: number;
}

export interface MoodPoint {
  at: number;
  label: Mood;
  /** From -1 (all negative) to 1. */
  value: number;
}

export interface Thread {
  conv: string;
  /** The number of the last event applied; 0 before the first. */
  seq: number;
  /** The number of the oldest event known. */
  first: number;
  /** The next event may have any number. */
  anywhere: boolean;
  lines: Line[];
  live: Live | null;
  place: number;
  owner: Owner;
  staff: string | undefined;
  /** Why a person is wanted. */
  reason: Reason | undefined;
  resolved: boolean;
  /** Newest message of the shopper, and the newest that was answered. */
  asked: number;
  answered: number;
  tags: string[];
  moods: MoodPoint[];
  said: Set<string>;
  finished: Set<string>;
}

/**
 * A conversation and the moment: a new object with every change, so that what draws it can tell.
 * (The fold changes in place; a page is only drawn again for another object.)
 */
export interface Open {
  thread: Thread;
}

/** What became of a frame. `gap` means that something is missing. */
export type Outcome = "applied" | "ignored" | "gap";

export function newThread(conv: string): Thread {
  return {
    conv, seq: 0, first: 1, anywhere: true, lines: [], live: null, place: 0, owner: "ai", staff: undefined, reason: undefined, resolved: false,
    asked: 0, answered: 0, tags: [], moods: [], said: new Set(), finished: new Set(),
  };
}

/** True while the assistant owes an answer that has not begun to show. */
export function isWaiting(thread: Thread): boolean {
  return thread.owner === "ai" && !thread.live && !thread.resolved && thread.asked > thread.answered;
}

/** The reply that the next one of a colleague may also correct: the newest answer, if the model made it and nobody corrected it. */
export function correctable({ lines, live }: Thread): Reply | undefined {
  const newest = lines.findLast((line) => line.kind === "reply" || line.kind === "staff");
  return newest?.kind === "reply" && newest.text && !newest.correction && !live ? newest : undefined;
}

/** Puts older events, without gaps up to the oldest known, in front. */
export function prepend(thread: Thread, events: StaffEvent[]): void {
  const older = newThread(thread.conv);
  for (const event of events) if (event.seq < thread.first) applyEvent(older, event);
  if (older.seq !== thread.first - 1) return;
  thread.lines = [...older.lines, ...thread.lines];
  thread.moods = [...older.moods, ...thread.moods];
  thread.first = older.first;
}

export function applyEvent(thread: Thread, event: StaffEvent): Outcome {
  if (thread.anywhere) {
    thread.anywhere = false;
    thread.first = event.seq;
    thread.seq = event.seq - 1;
  }
  if (event.seq <= thread.seq) return "ignored";
  if (event.seq > thread.seq + 1) return "gap";
  thread.seq = event.seq;
  const { seq, at } = event;
  const base = { id: `e${seq}`, seq, at };
  switch (event.kind) {
    case "said":
      thread.said.add(event.cmid);
      thread.lines.push({ ...base, id: event.cmid, kind: event.by, text: event.text, staff: event.staff });
      if (event.by === "shopper") thread.asked = seq;
      else thread.answered = thread.asked;
      break;
    case "reply":
      thread.finished.add(event.mid);
      thread.lines.push({ ...base, id: event.mid, kind: "reply", text: event.text, ended: event.ended, provenance: event.provenance });
      thread.answered = Math.max(thread.answered, event.upto);
      thread.live = null;
      thread.place = 0;
      break;
    case "status":
      if (event.status === "retry") thread.answered = thread.asked - 1;
      else thread.resolved = event.status === "resolved";
      if (event.status === "resolved") {
        thread.answered = thread.asked;
        thread.live = null;
      }
      // The first event opens the conversation; that goes without saying.
      if (seq > 1) thread.lines.push({ ...base, kind: "mark", what: event.status });
      break;
    case "owner":
      thread.owner = event.owner;
      thread.staff = event.staff;
      thread.reason = event.reason;
      thread.live = null;
      thread.place = 0;
      thread.lines.push({ ...base, kind: "mark", what: event.owner, staff: event.staff, ...(event.by && { by: event.by }), ...(event.reason && { reason: event.reason }), ...(event.away && { away: true }) });
      break;
    case "rating":
      change(thread, event.of, { thumb: event.value, comment: event.comment });
      break;
    case "correction":
      change(thread, event.of, { correction: { text: event.text, staff: event.staff, at } });
      break;
    case "draft": {
      const index = thread.lines.findIndex((line) => line.seq === event.of && line.kind === "staff");
      const line = thread.lines[index];
      if (line?.kind === "staff") thread.lines[index] = { ...line, draft: event.text };
      break;
    }
    case "tags":
      thread.tags = event.tags;
      break;
    case "note":
      thread.lines.push({ ...base, kind: "note", text: event.text, staff: event.staff });
      break;
    case "summary":
      thread.lines.push({ ...base, kind: "summary", text: event.text, points: event.points });
      break;
    case "tool": {
      const asked = findingOf(event);
      if (asked && find(thread, asked.of, asked.finding)) break;
      const mood = event.name === "sentiment" && !asked ? moodOf(event.outcome) : undefined;
      if (mood) thread.moods.push({ at, ...mood });
      thread.lines.push({ ...base, kind: "tool", name: event.name, outcome: event.outcome });
      break;
    }
    default:
      break;
  }
  return "applied";
}

/** Puts what a tool found beside its message, in the place of what it found there before. False if the message is not here. */
function find(thread: Thread, of: number, finding: Finding): boolean {
  const index = thread.lines.findIndex((line) => line.seq === of);
  const line = thread.lines[index];
  if (!line || (line.kind !== "shopper" && line.kind !== "staff" && line.kind !== "reply")) return false;
  thread.lines[index] = { ...line, findings: [...(line.findings ?? []).filter((one) => one.name !== finding.name), finding] };
  return true;
}

/** A new object for the changed reply, so that the page knows. */
function change(thread: Thread, of: number, what: Partial<Reply>): void {
  const index = thread.lines.findIndex((line) => line.seq === of);
  const line = thread.lines[index];
  if (line?.kind === "reply") thread.lines[index] = { ...line, ...what };
}

export function applyDelta(thread: Thread, piece: { mid: string; off: number; text: string }): Outcome {
  if (thread.finished.has(piece.mid)) return "ignored";
  const live = thread.live?.mid === piece.mid ? thread.live : { mid: piece.mid, text: "", length: 0 };
  if (piece.off > live.length) return "gap";
  const kept = piece.off === live.length ? live.text : [...live.text].slice(0, piece.off).join("");
  thread.live = { mid: piece.mid, text: kept + piece.text, length: piece.off + [...piece.text].length };
  thread.place = 0;
  return "applied";
}

/** What a finding about sentiment says, if it is one. */
export function moodOf(outcome: unknown): { label: Mood; value: number } | undefined {
  const bag = outcome as { label?: unknown; scores?: Record<string, unknown> } | null;
  const label = bag?.label;
  if (label !== "positive" && label !== "neutral" && label !== "negative") return undefined;
  const score = (name: string): number => (typeof bag?.scores?.[name] === "number" ? (bag.scores[name] as number) : NaN);
  const value = score("positive") - score("negative");
  return { label, value: Number.isFinite(value) ? value : label === "positive" ? 1 : label === "negative" ? -1 : 0 };
}
