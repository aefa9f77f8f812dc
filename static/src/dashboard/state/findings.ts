// What a tool found in one message, as far as its shape is known. Nothing here is trusted to be well formed.

export interface Finding {
  seq: number;
  at: number;
  /** Which tool. */
  name: string;
  /** Who asked for it. */
  by: string;
  outcome: Record<string, unknown>;
}

/** Unicode characters of the message, the end not included. */
export type Span = [start: number, end: number];

export interface Attribute {
  name: string;
  value: string;
  /** From 0 to 1, if the model said it. */
  confidence?: number;
}

export interface Pair {
  question: string;
  answer: string;
}

const isText = (value: unknown): value is string => typeof value === "string";

/** A finding that belongs to a message, and to which; undefined for what the server looks up by itself. */
export function findingOf(event: { seq: number; at: number; name: string; outcome: unknown }): { of: number; finding: Finding } | undefined {
  const bag = event.outcome as Record<string, unknown> | null;
  if (typeof bag !== "object" || bag === null || typeof bag.of !== "number" || typeof bag.by !== "string") return undefined;
  return { of: bag.of, finding: { seq: event.seq, at: event.at, name: event.name, by: bag.by, outcome: bag } };
}

/** A call of the model for a reply: what it came to, and the values it was called with; undefined for anything else. */
export function callOf(outcome: Record<string, unknown>): { result: string; words: string } | undefined {
  if (typeof outcome.result !== "string" || typeof outcome.round !== "number") return undefined;
  const text = isText(outcome.called) ? outcome.called : isText(outcome.arguments) ? outcome.arguments : "";
  let words = text;
  try {
    const bag: unknown = JSON.parse(text);
    if (typeof bag === "object" && bag) words = Object.values(bag).map(String).join(", ");
  } catch {
    // Cut off, or never JSON: as it is.
  }
  return { result: outcome.result, words };
}

const items = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null) : []);

export const attributesOf = ({ outcome }: Finding): Attribute[] => items(outcome.attributes).flatMap(({ name, value, confidence: sure }) => {
  const confidence = typeof sure === "number" && sure >= 0 && sure <= 1 ? { confidence: sure } : {};
  return isText(name) && isText(value) ? [{ name, value, ...confidence }] : [];
});

export const pairsOf = ({ outcome }: Finding): Pair[] => items(outcome.pairs).flatMap(({ question, answer }) => (isText(question) && isText(answer) ? [{ question, answer }] : []));

/** The places in the message that a finding rests on, in order and without overlap. A pair of a whole conversation may rest on another. */
export function spansOf({ outcome }: Finding, length: number): Span[] {
  const here = items(outcome.pairs).filter(({ seq }) => seq === undefined || seq === outcome.of);
  const all = [...[outcome.evidence, outcome.attributes].flatMap(items), ...here].flatMap(({ start, end }): Span[] => (Number.isInteger(start) && Number.isInteger(end) ? [[start as number, end as number]] : []));
  const spans: Span[] = [];
  for (const [start, end] of all.sort((a, b) => a[0] - b[0] || b[1] - a[1])) {
    if (start >= (spans.at(-1)?.[1] ?? 0) && start < end && end <= length) spans.push([start, end]);
  }
  return spans;
}

/** A text in pieces, every second one marked. */
export function pieces(text: string, spans: Span[]): string[] {
  const chars = [...text];
  const parts: string[] = [];
  let at = 0;
  for (const [start, end] of spans) {
    parts.push(chars.slice(at, start).join(""), chars.slice(start, end).join(""));
    at = end;
  }
  return [...parts, chars.slice(at).join("")];
}

/** A shortcut for a canned reply, out of what it answers: `where-is-my-parcel`. */
export function shortcutOf(question: string): string {
  const words = question.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, "").match(/[a-z0-9]+/g) ?? [];
  let slug = "";
  for (const word of words) {
    const next = slug ? `${slug}-${word}` : word.slice(0, 32);
    if (next.length > 32) break;
    slug = next;
  }
  return slug || "answer";
}

/** The same and, if somebody has it already, with a number: the first that is not taken, short enough. */
export function freeShortcut(question: string, taken: ReadonlySet<string>): string {
  const slug = shortcutOf(question);
  for (let n = 1; ; n += 1) {
    const end = n === 1 ? "" : `-${n}`;
    const shortcut = slug.slice(0, 32 - end.length) + end;
    if (!taken.has(shortcut)) return shortcut;
  }
}
