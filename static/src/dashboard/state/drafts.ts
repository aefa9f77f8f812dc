// What was begun in the composer; it survives a reload.

import { keep } from "./prefs";

export type Mode = "reply" | "note";

export interface Draft {
  mode: Mode;
  reply: string;
  note: string;
  /** What the model suggested for the reply, as it came. */
  suggested?: string;
  /** The number of the model's reply that this one also corrects. */
  corrects?: number;
}

export const EMPTY: Draft = { mode: "reply", reply: "", note: "" };
const KEY = "drafts";
const KEPT = 50;

export function draftOf(conv: string): Draft {
  return { ...EMPTY, ...keep.get<Record<string, Draft>>(KEY)?.[conv] };
}

export function keepDraft(conv: string, draft: Draft): void {
  const all = { ...keep.get<Record<string, Draft>>(KEY) };
  delete all[conv];
  if (draft.reply || draft.note || draft.mode === "note") all[conv] = draft;
  keep.set(KEY, Object.fromEntries(Object.entries(all).slice(-KEPT)));
}

/** A canned reply with its variables filled; unknown ones stay, so that somebody sees them. */
export function fillCanned(text: string, values: { name: string; shop: string; agent: string }): string {
  return text
    .replace(/\{\{\s*(name|shop|agent)\s*\}\}/g, (_, key: "name" | "shop" | "agent") => values[key])
    .replace(/[ \t]+([,.!?;:，。！？；：])/g, "$1")
    .replace(/[ \t]{2,}/g, " ");
}

/** The word behind a `/` at the beginning of a line up to `caret`, if one is being typed. */
export function slashWord(text: string, caret: number): { from: number; word: string } | undefined {
  const found = /(?:^|\s)\/([\p{L}\p{N}_-]{0,32})$/u.exec(text.slice(0, caret));
  return found ? { from: caret - found[1]!.length - 1, word: found[1]!.toLowerCase() } : undefined;
}
