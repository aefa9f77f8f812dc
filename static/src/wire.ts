// The frames of `GET /v1/ws`, subprotocol `shopclerk.v1`. Numbers are JSON numbers; times are milliseconds since 1970.

export const SUBPROTOCOL = "shopclerk.v1";
export const TOKEN_PREFIX = "token.";

export type ClientFrame =
  | { t: "hello"; resume: ResumePoint[]; epoch?: string }
  | { t: "say"; conv: string; cmid: string; text: string }
  | { t: "stop"; conv: string }
  | { t: "retry"; conv: string }
  | { t: "rate"; conv: string; seq: number; value: "up" | "down"; comment?: string }
  | { t: "person"; conv: string }
  | { t: "assistant"; conv: string }
  | { t: "typing"; conv: string };

export type ResumePoint = { conv: string; seq: number };

export type WireKind =
  | { kind: "said"; cmid: string; by: Party; staff?: string; text: string }
  | { kind: "reply"; mid: string; upto: number; text: string; ended: "complete" | "length" | "stopped" | "interrupted" | "failed" | "refused" }
  | { kind: "status"; status: "open" | "resolved" | "retry" }
  | { kind: "owner"; owner: "ai" | "queue" | "staff"; staff?: string }
  | { kind: "rating"; of: number; value: "up" | "down"; comment?: string }
  | { kind: "hidden" };

export type Party = "shopper" | "staff";
export type Typist = "shopper" | "staff" | "ai";

export type WireEvent = { conv: string; seq: number; at: number } & WireKind;

export type ServerFrame =
  | { t: "welcome"; epoch: string; heads: { [conv: string]: number } }
  | { t: "ack"; cmid: string; seq: number }
  | ({ t: "event" } & WireEvent)
  | { t: "delta"; conv: string; mid: string; off: number; text: string }
  | { t: "queued"; conv: string; position: number }
  | { t: "typing"; conv: string; who: Typist }
  | { t: "error"; code: string; message: string; cmid?: string; retry_after?: number }
  | { t: "reset"; conv: string }
  | { t: "hb"; heads: { [conv: string]: number } }
  | { t: "bye"; reconnect_in_ms: number };
