// One conversation as the shopper sees it: the fold of its numbered events, plus the reply in the making.
//
// Knows nothing of sockets or of the page, so every frame can be tested as data.

import type { ServerFrame, WireEvent, WireKind } from "../wire";

type Of<K extends WireKind["kind"]> = Extract<WireKind, { kind: K }>;
export type Owner = Of<"owner">["owner"];
export type Ended = Of<"reply">["ended"];
export type Thumb = Of<"rating">["value"];

/** One entry of the transcript. */
export interface Line {
  /** Stays the same while a streamed reply becomes a final one. */
  id: string;
  kind: "shopper" | "staff" | "reply" | "note";
  seq: number;
  at: number;
  text: string;
  ended?: Ended;
  thumb?: Thumb;
  note?: Owner | "resolved" | "hand";
}

/** A reply in the making. */
export interface Live {
  mid: string;
  text: string;
  /** Length in Unicode characters, as the server counts offsets. */
  length: number;
}

export interface Talk {
  conv: string;
  /** The number of the last event applied; 0 before the first. */
  seq: number;
  /** The number of the oldest event known; above 1 if the server left out what came before. */
  first: number;
  /** After a reset: the next event may have any number. */
  anywhere: boolean;
  lines: Line[];
  live: Live | null;
  /** The place in line for the model; 0 means that nobody is ahead. */
  place: number;
  owner: Owner;
  /** A person is wanted, and none is there now. */
  away: boolean;
  resolved: boolean;
  asked: number;
  answered: number;
  /** Client ids of messages that are part of the transcript. */
  said: Set<string>;
  /** Replies that are final: late pieces of them are dropped. */
  finished: Set<string>;
}

/** What became of a frame. `gap` means that something is missing and a resume is needed. */
export type Outcome = "applied" | "ignored" | "gap";

export function newTalk(conv: string): Talk {
  return {
    conv,
    seq: 0,
    first: 1,
    anywhere: false,
    lines: [],
    live: null,
    place: 0,
    owner: "ai",
    away: false,
    resolved: false,
    asked: 0,
    answered: 0,
    said: new Set(),
    finished: new Set(),
  };
}

/** Puts older events, without gaps up to the oldest known, in front. */
export function prepend(talk: Talk, events: WireEvent[]): void {
  const older: Talk = { ...newTalk(talk.conv), anywhere: true };
  for (const event of events) if (event.seq < talk.first) applyEvent(older, event);
  if (older.seq !== talk.first - 1) return;
  talk.lines.unshift(...older.lines);
  talk.first = older.first;
}

/** True while the assistant owes an answer that has not begun to show. */
export function isWaiting(talk: Talk): boolean {
  return talk.owner === "ai" && !talk.live && talk.asked > talk.answered;
}

/** True while an answer can be stopped. */
export function isReplying(talk: Talk): boolean {
  return talk.live !== null || isWaiting(talk);
}

/** The reply that may be asked for again: the newest entry, if it was cut. */
export function retryable(talk: Talk): Line | undefined {
  if (talk.owner !== "ai" || talk.live || talk.asked > talk.answered) return undefined;
  const last = talk.lines.findLast((line) => line.kind !== "note");
  const cut = last?.ended === "stopped" || last?.ended === "interrupted" || last?.ended === "failed";
  return cut ? last : undefined;
}

/** Applies one frame of the server. Frames about other conversations are ignored. */
export function apply(talk: Talk, frame: ServerFrame): Outcome {
  if (!("conv" in frame) || frame.conv !== talk.conv) return "ignored";
  switch (frame.t) {
    case "event":
      return applyEvent(talk, frame);
    case "delta":
      return applyDelta(talk, frame);
    case "queued":
      talk.place = frame.position;
      return "applied";
    default:
      return "ignored";
  }
}

function applyEvent(talk: Talk, event: WireEvent): Outcome {
  if (talk.anywhere) {
    talk.anywhere = false;
    talk.first = event.seq;
    talk.seq = event.seq - 1;
  }
  if (event.seq <= talk.seq) return "ignored";
  if (event.seq > talk.seq + 1) return "gap";
  talk.seq = event.seq;
  const { seq, at } = event;
  switch (event.kind) {
    case "said":
      talk.said.add(event.cmid);
      talk.lines.push({ id: event.cmid, kind: event.by, seq, at, text: event.text });
      if (event.by === "shopper") talk.asked = seq;
      else talk.answered = talk.asked;
      break;
    case "reply":
      talk.finished.add(event.mid);
      talk.lines.push({ id: event.mid, kind: "reply", seq, at, text: event.text, ended: event.ended });
      talk.answered = Math.max(talk.answered, event.upto);
      talk.live = null;
      talk.place = 0;
      break;
    case "status":
      if (event.status === "resolved") {
        talk.resolved = true;
        talk.answered = talk.asked;
        talk.live = null;
        note(talk, seq, at, "resolved");
      } else if (event.status === "open") {
        talk.resolved = false;
      } else {
        // The cut answer gives way to the new one.
        const last = talk.lines.findLastIndex((line) => line.kind === "reply");
        if (last >= 0) talk.lines.splice(last, 1);
        talk.answered = talk.asked - 1;
      }
      break;
    case "owner":
      // Who did not ask for a person is not told that they did.
      if (event.owner !== talk.owner) note(talk, seq, at, event.owner === "queue" && !event.reason ? "hand" : event.owner);
      talk.owner = event.owner;
      talk.away = event.away === true;
      talk.live = null;
      talk.place = 0;
      break;
    case "rating": {
      const rated = talk.lines.find((line) => line.seq === event.of);
      if (rated) rated.thumb = event.value;
      break;
    }
    default:
      break;
  }
  return "applied";
}

function note(talk: Talk, seq: number, at: number, what: NonNullable<Line["note"]>): void {
  talk.lines.push({ id: `n${seq}`, kind: "note", seq, at, text: "", note: what });
}

function applyDelta(talk: Talk, piece: { mid: string; off: number; text: string }): Outcome {
  if (talk.finished.has(piece.mid)) return "ignored";
  const live = talk.live?.mid === piece.mid ? talk.live : { mid: piece.mid, text: "", length: 0 };
  if (piece.off > live.length) return "gap";
  const kept = piece.off === live.length ? live.text : [...live.text].slice(0, piece.off).join("");
  talk.live = { mid: piece.mid, text: kept + piece.text, length: piece.off + [...piece.text].length };
  talk.place = 0;
  return "applied";
}
