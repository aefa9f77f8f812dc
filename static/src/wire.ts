// Generated from src/web/wire. Do not edit: run the command that the test
// `wire_types_match_committed` prints.

export const SUBPROTOCOL = "shopclerk.v1";
export const TOKEN_PREFIX = "token.";

/**
 * One frame of a client.
 */
export type ClientFrame = { "t": "hello", resume: Array<ResumePoint>, epoch?: string, } | { "t": "say", conv: string, 
/**
 * A UUIDv7 made by the client; sending it twice has the effect of once.
 */
cmid: string, text: string, 
/**
 * Staff only: what the model had suggested, before it was edited.
 */
draft?: string, } | { "t": "stop", conv: string, } | { "t": "retry", conv: string, } | { "t": "rate", conv: string, seq: number, value: "up" | "down", comment?: string, } | { "t": "person", conv: string, } | { "t": "assistant", conv: string, } | { "t": "contact", conv: string, email: string, } | { "t": "page", conv: string, address: string, title?: string, } | { "t": "typing", conv: string, } | { "t": "take", conv: string, } | { "t": "assign", conv: string, staff: string, from?: string, } | { "t": "release", conv: string, } | { "t": "note", conv: string, text: string, } | { "t": "correct", conv: string, seq: number, text: string, } | { "t": "tag", conv: string, tags: Array<string>, } | { "t": "resolve", conv: string, } | { "t": "reopen", conv: string, } | { "t": "suggest", conv: string, } | { "t": "unsuggest", conv: string, } | { "t": "list", tab: Tab, tag?: string, staff?: string, 
/**
 * The last page's `next`.
 */
after?: string, limit?: number, } | { "t": "open", conv: string, seq: number, } | { "t": "close", conv: string, } | { "t": "seen", conv: string, seq: number, };

/**
 * The newest event a client has of one conversation; 0 for none.
 */
export type ResumePoint = { conv: string, seq: number, };

/**
 * One frame of the server.
 */
export type ServerFrame = { "t": "welcome", epoch: string, heads: { [conv: string]: number }, } | { "t": "ack", cmid: string, seq: number, } | { "t": "event" } & WireEvent | { "t": "delta", conv: string, mid: string, off: number, text: string, } | { "t": "queued", conv: string, position: number, } | { "t": "typing", conv: string, who: Typist, 
/**
 * Which colleague; staff only.
 */
staff?: string, } | { "t": "error", code: string, message: string, cmid?: string, 
/**
 * Seconds.
 */
retry_after?: number, } | { "t": "contact", conv: string, email: string, } | { "t": "reset", conv: string, } | { "t": "hb", heads: { [conv: string]: number }, } | { "t": "bye", reconnect_in_ms: number, } | { "t": "list", 
/**
 * When it was read, by the server's clock: who began to wait later is news.
 */
at: number, tab: Tab, tag?: string, staff?: string, after?: string, rows: Array<Row>, next?: string, counts: Counts, } | { "t": "rows", rows: Array<Row>, gone: string[], counts: Counts, } | { "t": "relist" } | { "t": "suggestion", conv: string, off: number, text: string, 
/**
 * With the last piece: why there are no more.
 */
ended?: "complete" | "length" | "stopped" | "failed" | "nothing", } | { "t": "opened", conv: string, head: number, };

export type Typist = "shopper" | "staff" | "ai";

/**
 * A numbered event as a viewer sees it.
 */
export type WireEvent = { conv: string, seq: number, 
/**
 * Milliseconds since the Unix epoch.
 */
at: number, } & ({ "kind": "said", cmid: string, by: Party, staff?: string, text: string, } | { "kind": "reply", mid: string, 
/**
 * It answers everything up to this event.
 */
upto: number, text: string, ended: "complete" | "length" | "stopped" | "interrupted" | "failed" | "refused", provenance?: WireProvenance, } | { "kind": "status", status: "open" | "resolved" | "retry", } | { "kind": "owner", owner: "ai" | "queue" | "staff", staff?: string, 
/**
 * Why a person is wanted. A shopper is only told that they asked for one.
 */
reason?: "asked" | "word" | "mood" | "repeated" | "unsure" | "closed" | "model", 
/**
 * Nobody is there now: an address may be left with `contact`.
 */
away?: boolean, 
/**
 * Staff only: which colleague gave it to `staff`.
 */
by?: string, } | { "kind": "tool", name: string, outcome: unknown, } | { "kind": "rating", of: number, value: "up" | "down", comment?: string, } | { "kind": "note", staff: string, text: string, } | { "kind": "summary", text: string, 
/**
 * What was found out, in the conversation's own words; for a mood or a reason its stable name.
 */
points?: { about: "question" | "product" | "attribute" | "mood" | "reason", name?: string, text: string }[], } | { "kind": "correction", of: number, staff: string, text: string, } | { "kind": "draft", of: number, staff: string, text: string, } | { "kind": "tags", staff: string, tags: Array<string>, } | { "kind": "hidden" });

/**
 * Which side wrote a message.
 */
export type Party = "shopper" | "staff";

export type WireKind = { "kind": "said", cmid: string, by: Party, staff?: string, text: string, } | { "kind": "reply", mid: string, 
/**
 * It answers everything up to this event.
 */
upto: number, text: string, ended: "complete" | "length" | "stopped" | "interrupted" | "failed" | "refused", provenance?: WireProvenance, } | { "kind": "status", status: "open" | "resolved" | "retry", } | { "kind": "owner", owner: "ai" | "queue" | "staff", staff?: string, 
/**
 * Why a person is wanted. A shopper is only told that they asked for one.
 */
reason?: "asked" | "word" | "mood" | "repeated" | "unsure" | "closed" | "model", 
/**
 * Nobody is there now: an address may be left with `contact`.
 */
away?: boolean, 
/**
 * Staff only: which colleague gave it to `staff`.
 */
by?: string, } | { "kind": "tool", name: string, outcome: unknown, } | { "kind": "rating", of: number, value: "up" | "down", comment?: string, } | { "kind": "note", staff: string, text: string, } | { "kind": "summary", text: string, 
/**
 * What was found out, in the conversation's own words; for a mood or a reason its stable name.
 */
points?: { about: "question" | "product" | "attribute" | "mood" | "reason", name?: string, text: string }[], } | { "kind": "correction", of: number, staff: string, text: string, } | { "kind": "draft", of: number, staff: string, text: string, } | { "kind": "tags", staff: string, tags: Array<string>, } | { "kind": "hidden" };

/**
 * Where a reply came from; staff only.
 */
export type WireProvenance = { model: string, adapter?: string, prompt: string, 
/**
 * A number of 64 bits, as text: JavaScript cannot hold it.
 */
seed: string, prompt_tokens: number, completion_tokens: number, 
/**
 * Rounds of tool calls before the answer.
 */
rounds?: number, first_ms: number, total_ms: number, };

/**
 * The part of the list a colleague looks at.
 */
export type Tab = "waiting" | "mine" | "all" | "resolved";

/**
 * How many there are.
 */
export type Counts = { waiting: number, mine: number, all: number, resolved: number, 
/**
 * Conversations with unread messages among waiting and mine.
 */
unread: number, };

/**
 * A conversation in the list.
 */
export type Row = { conv: string, seq: number, owner: "ai" | "queue" | "staff", 
/**
 * Who answers, while that is a person.
 */
staff?: string, 
/**
 * Which colleague gave it to `staff`.
 */
given_by?: string, status: Standing, 
/**
 * Since when the shopper waits for a person.
 */
waiting_since?: number, 
/**
 * The shopper's newest messages that were read as negative, without one between that was not and without an answer of a person.
 */
unhappy: number, 
/**
 * Messages of the shopper that no colleague has seen.
 */
unread: number, preview?: Preview, shopper: RowShopper, 
/**
 * The newest judgement.
 */
rating?: "up" | "down", tags: Array<string>, mood?: string, 
/**
 * Who has it open now.
 */
viewers: Array<string>, created_at: number, updated_at: number, };

export type Standing = "open" | "resolved";

export type Preview = { by: PreviewBy, text: string, };

export type PreviewBy = "shopper" | "staff" | "ai";

/**
 * Who writes to the shop.
 */
export type RowShopper = { id: string, name?: string, email?: string, 
/**
 * An address they gave in the chat; nobody vouched for it.
 */
contact?: string, verified: boolean, blocked: boolean, };
