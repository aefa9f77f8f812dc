// What the staff's side of the server says and takes; see docs/staff-api.md.

export type Role = "admin" | "agent";
export type Owner = "ai" | "queue" | "staff";
export type Mood = "positive" | "neutral" | "negative";
export type Thumb = "up" | "down";
export type Tab = "waiting" | "mine" | "all" | "resolved";

export interface Me {
  name: string;
  display: string;
  role: Role;
  totp: boolean;
  recovery_left: number;
  expires_at: number;
}

export interface Door {
  setup: boolean;
  shop: string;
}

export interface Invite {
  kind: "setup" | "invite" | "reset";
  name?: string;
  display?: string;
  role: Role;
}

export interface Preview {
  by: "shopper" | "staff" | "ai";
  text: string;
}

export interface RowShopper {
  id?: string | null;
  name?: string;
  email?: string;
  /** An address they gave in the chat; nobody vouched for it. */
  contact?: string;
  verified: boolean;
  blocked: boolean;
}

/** One conversation in a list. */
export interface Row {
  conv: string;
  seq: number;
  owner: Owner;
  staff?: string;
  /** Which colleague gave it to `staff`. */
  given_by?: string;
  status: "open" | "resolved";
  waiting_since?: number;
  /** How many of the shopper's newest messages in a row were read as negative. */
  unhappy?: number;
  unread: number;
  preview?: Preview;
  shopper: RowShopper;
  rating?: Thumb;
  tags: string[];
  mood?: string;
  viewers: string[];
  created_at: number;
  updated_at: number;
}

export interface Counts {
  waiting: number;
  mine: number;
  all: number;
  resolved: number;
  unread: number;
}

export interface RowPage {
  rows: Row[];
  next?: string;
  counts: Counts;
}

export interface Shopper extends RowShopper {
  external?: string;
  created_at?: number;
  conversations: number;
  /** Where they were last, as their browser said. */
  page?: { address: string; title?: string; at: number; own: boolean };
  /** Only of a shopper whom the shop vouched for. */
  orders?: Order[];
}

export interface Order {
  id: string;
  /** `YYYY-MM-DD` */
  placed: string;
  status: "received" | "packed" | "shipped" | "delivered" | "returned" | "cancelled";
  items: { name: string; quantity: number }[];
  total: string;
  tracking?: string;
}

export interface Detail {
  row: Row;
  shopper: Shopper;
  others: Row[];
}

/** What there is to learn from. */
export interface Gathered {
  by_staff: number;
  drafts: number;
  corrected: number;
  liked: number;
}

export interface Hit {
  conv: string;
  seq: number;
  at: number;
  by: "shopper" | "staff" | "ai" | "note";
  text: string;
  marks: [start: number, end: number][];
  row: Row;
}

export interface Hits {
  hits: Hit[];
  /** Conversations of which the shopper's name and address and the tags have every word; beside the first page. */
  people: Row[];
  people_total: number;
  next?: number;
  total: number;
  ms: number;
  behind: number;
}

export interface Canned {
  id: string;
  shortcut: string;
  title: string;
  text: string;
  by: string;
  updated_at: number;
}

export interface Agent {
  name: string;
  display: string;
  role: Role;
  state: "active" | "invited";
  totp: boolean;
  created_at: number;
  login_at?: number;
}

export type Scope = "read" | "write" | "train" | "complete" | "metrics";

export interface Key {
  id: string;
  name: string;
  scopes: Scope[];
  by: string;
  created_at: number;
  used_at?: number;
}

export interface AuditEntry {
  at: number;
  who: string;
  what: string;
  on?: string;
  detail?: string;
  address?: string;
}

export interface SessionInfo {
  id: string;
  created_at: number;
  seen_at: number;
  address: string;
  agent: string;
  current: boolean;
}

export interface DeskSettings {
  hours: string;
  handoff_words: string[];
  handoff: HandOffRules;
  schedule?: Schedule | null;
}

/** What brings a person besides being asked for one; null for off. */
export interface HandOffRules {
  words: boolean;
  mood: number | null;
  repeated: number | null;
  unsure: number | null;
  closed: boolean;
  model: number | null;
}

/** When people are there: Monday first, minutes since midnight; null on a day off. */
export interface Schedule {
  zone: string;
  week: ([from: number, to: number] | null)[];
}

/** Milliseconds; no percentiles if there is nothing to take them of. */
export interface Times {
  n: number;
  p50?: number;
  p95?: number;
}

export interface Figures {
  /** In which a shopper said something for the first time. */
  conversations: number;
  /** Of shoppers. */
  messages: number;
  replies: number;
  by_staff: number;
  handoffs: number;
  resolved_by_model: number;
  /** Those of them that nobody closed: the shopper did not come back for a day. */
  resolved_quietly: number;
  resolved_by_staff: number;
  up: number;
  down: number;
  mood: Record<Mood, number>;
  first_ms: Times;
  total_ms: Times;
  staff_wait_ms: Times;
}

export interface ModelFigures {
  model: string;
  adapter?: string;
  replies: number;
  up: number;
  down: number;
  handoffs: number;
  /** Cases in which it had the last word, solved without a person. */
  resolved_by_model: number;
  /** Of what shoppers said after a reply of it. */
  mood: Record<Mood, number>;
  first_ms: Times;
  total_ms: Times;
}

export interface Numbers {
  from: string;
  to: string;
  ready: boolean;
  total: Figures;
  days: (Figures & { day: string })[];
  hours: [weekday: number, hour: number, messages: number][];
  models: ModelFigures[];
  unanswered: { text: string; count: number; convs: string[] }[];
}

/** The shop in its owner's words; empty is as the file says, and so are facts that are not there. */
export interface ShopWords {
  name: string;
  assistant: string;
  about: string;
  tone: string;
  language: string;
  email: string;
  facts?: string[];
}

/** What every prompt would begin with. */
export interface Begins {
  system: string;
  tokens: number;
  room: number;
}

/** What the owner sets in place of the files; empty is as the files say. */
export interface ShopSet {
  retention_days?: number;
  origins: string[];
  look: { color: string; title: string; greeting: Record<string, string>; suggestions: Record<string, string[]> };
  words: ShopWords;
}

export interface ShopView {
  set: ShopSet;
  files: { retention_days: number; origins: string[]; color: string; title: string; greeting: Record<string, string>; suggestions: Record<string, string[]>; words: ShopWords };
}

export const HOOK_EVENTS = ["conversation.started", "conversation.handed_off", "conversation.resolved", "conversation.rated", "message.received"] as const;
export type HookEvent = (typeof HOOK_EVENTS)[number];

export interface Hook {
  id: string;
  url: string;
  events: HookEvent[];
  enabled: boolean;
  by: string;
  created_at: number;
}

export interface ShownHook extends Hook {
  delivered_at?: number;
  failed_at?: number;
  error?: string;
  waiting: number;
  dead: { id: string; event: HookEvent; conversation: string; at: number; tries: number; error: string }[];
}

export interface Hooks {
  webhooks: ShownHook[];
  dropped: number;
  allow_private: boolean;
}

export interface FoundShopper {
  shopper: { id: string; name?: string; email?: string; /** An address they left. */ contact?: string; external?: string; verified: boolean; created_at: number };
  conversations: number;
}

export interface Erased {
  conversations: number;
  rows: number;
  runs: string[];
  adapters: string[];
}

/** The public look of the widget. */
export interface Look {
  name: string;
  assistant: string;
  color: string;
  greeting: string;
  suggestions: string[];
  hours: string;
  email: string;
  language: string;
}
