// The frames of a member of staff, besides those in wire.ts.

import type { Counts, Row, Tab } from "../contract";
import type { ClientFrame, ServerFrame } from "../../wire";

export type DeskSays =
  | ClientFrame
  | { t: "say"; conv: string; cmid: string; text: string; draft?: string }
  | { t: "correct"; conv: string; seq: number; text: string }
  | { t: "tag"; conv: string; tags: string[] }
  | { t: "list"; tab: Tab; tag?: string; staff?: string; after?: string; limit?: number }
  | { t: "open"; conv: string; seq: number }
  | { t: "close"; conv: string }
  | { t: "seen"; conv: string; seq: number };

/** `at` is the server's clock. */
export type ListFrame = { t: "list"; at: number; tab: Tab; tag?: string; staff?: string; after?: string; rows: Row[]; next?: string; counts: Counts };

export type DeskHears =
  | ServerFrame
  | ListFrame
  | { t: "rows"; rows: Row[]; gone: string[]; counts: Counts }
  | { t: "relist" }
  | { t: "opened"; conv: string; head: number }
  | { t: "typing"; conv: string; who: "shopper" | "staff" | "ai"; staff?: string };

/** Kinds of events that only staff are told. */
export type TeachEvent =
  | { kind: "correction"; of: number; staff: string; text: string }
  | { kind: "draft"; of: number; staff: string; text: string }
  | { kind: "tags"; staff: string; tags: string[] };
