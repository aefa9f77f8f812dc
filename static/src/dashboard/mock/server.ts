// A server in the page: answers requests, sockets and event streams from made-up data.

import type { Counts, Row, Tab } from "../contract";
import { belongs, order } from "../state/list";
import type { DeskHears, DeskSays } from "../state/frames";
import type { StaffEvent } from "../state/thread";
import { AGENTS, CANNED, id, makeEvents, makeNumbers, makeRows } from "./data";
import { trainingRoute, MockEvents } from "./training";

const ME = "mara";
const NO_WORDS = { name: "", assistant: "", about: "", tone: "", language: "", email: "" };
const SHOP = {
  set: { origins: [], look: { color: "", title: "", greeting: {}, suggestions: {} }, words: NO_WORDS },
  files: {
    retention_days: 0, origins: [], color: "#2f6b4f", title: "Wren", greeting: { en: "Hello! I am Wren." }, suggestions: { en: ["How long does shipping take?"] },
    words: {
      name: "Brackenfold", assistant: "Wren", about: "Brackenfold sells shoes, clothing and gear for walking, trail running and camping.", tone: "friendly, clear and brief", language: "en", email: "help@brackenfold.example",
      facts: ["Returns: you can return any item within 60 days for a full refund, and return shipping is free.", "Shipping takes 2 to 4 working days and costs €4.90; it is free for orders over €60.", "Every product has a 3-year warranty against faults in material and making."],
    },
  },
};
const rows = makeRows(Number(new URLSearchParams(location.search).get("rows")) || 10_000);
const talks = new Map<string, StaffEvent[]>();
let signedIn = true;

const talk = (conv: string): StaffEvent[] => {
  const row = rows.get(conv);
  if (!talks.has(conv) && row) talks.set(conv, makeEvents(row));
  return talks.get(conv) ?? [];
};

function counts(): Counts {
  const all = [...rows.values()];
  const of = (tab: Tab): number => all.filter((row) => belongs(row, { tab }, ME)).length;
  return { waiting: of("waiting"), mine: of("mine"), all: of("all"), resolved: of("resolved"), unread: 3 };
}

function page(view: Record<string, string>, after: string | undefined): { rows: Row[]; next?: string; counts: Counts } {
  const tab = (view.tab ?? "all") as Tab;
  const found = [...rows.values()].filter((row) => belongs(row, { ...view, tab, from: Number(view.from) || undefined } as never, ME)).sort((a, b) => order(tab, a, b));
  const from = Number(after ?? 0);
  return { rows: found.slice(from, from + 100).map((row) => ({ ...row })), ...(found.length > from + 100 && { next: String(from + 100) }), counts: counts() };
}

function answer(method: string, address: URL, body: Record<string, unknown>): [status: number, body: unknown] {
  const path = address.pathname;
  const query = Object.fromEntries(address.searchParams);
  if (path === "/openapi.json") return [200, { paths: Object.fromEntries(["/v1/staff/numbers", "/v1/staff/search", "/v1/staff/conversations", "/v1/staff/conversations/{conv}", "/v1/staff/conversations/{conv}/export", "/v1/staff/shoppers/{shopper}/block", "/v1/staff/runs", "/v1/staff/adapters", "/v1/staff/compare", "/v1/staff/adapters/{name}/rollback"].map((one) => [one, {}])) }];
  if (path === "/v1/staff/door") return [200, { setup: false, shop: "Brackenfold" }];
  if (path === "/v1/staff/login") {
    if (body.password === "wrong") return [401, { error: { code: "login_failed", message: "" } }];
    if (!body.code) return [401, { error: { code: "code_required", message: "" } }];
    signedIn = true;
  }
  if (path === "/v1/staff/invite/check") return [200, { kind: "setup", role: "admin" }];
  if (!signedIn) return [401, { error: { code: "unauthorized", message: "log in" } }];
  if (path === "/v1/staff/me" || path === "/v1/staff/login" || path === "/v1/staff/setup") return [200, { name: ME, display: "Mara Lindqvist", role: "admin", totp: true, recovery_left: 8, expires_at: Date.now() + 86_400_000 }];
  if (path === "/v1/staff/ticket") return [200, { ticket: "t", expires_at: Date.now() + 30_000 }];
  if (path === "/v1/staff/agents") return [200, { agents: AGENTS }];
  if (path === "/v1/staff/shop") return [200, SHOP];
  if (path === "/v1/staff/shop/preview") return [200, { system: `You are ${(body as { assistant?: string }).assistant || "Wren"}, the assistant of Brackenfold. Brackenfold sells shoes, clothing and gear for walking.\nBe friendly, clear and brief. Answer in one or two short sentences from the facts.\nFacts:\n- Returns: you can return any item within 60 days for a full refund.\n- Shipping takes 2 to 4 working days and costs €4.90.\n`, tokens: 214, room: 1420 }];
  if (path === "/v1/staff/gathered") return [200, { by_staff: 412, drafts: 96, corrected: 38, liked: 203 }];
  if (path === "/v1/staff/canned") return [200, { canned: CANNED }];
  if (path === "/v1/staff/settings") return [200, { hours: "Monday to Friday, 9 to 17", handoff_words: ["refund", "lawyer", "退款"], handoff: { words: true, mood: 3, repeated: 3, unsure: null, closed: false, model: null }, schedule: { zone: "Europe/Berlin", week: [[540, 1020], [540, 1020], [540, 1020], [540, 1020], [540, 900], null, null] } }];
  if (path === "/v1/staff/sessions") return [200, { sessions: [{ id: "1", created_at: Date.now(), seen_at: Date.now(), address: "192.0.2.7", agent: navigator.userAgent, current: true }, { id: "2", created_at: 1, seen_at: Date.now() - 8e6, address: "198.51.100.4", agent: "Mozilla/5.0 (iPhone) Version/18 Safari/604.1", current: false }] }];
  if (path === "/v1/staff/keys") return [200, { keys: [{ id: "k", name: "Night report", scopes: ["read", "metrics"], by: "mara", created_at: Date.now() - 9e9, used_at: Date.now() - 4e7 }] }];
  if (path === "/v1/staff/audit") return [200, { entries: [["login", "mara"], ["shopper_blocked", "tom"], ["login_failed", "tom"], ["settings_changed", "mara"], ["exported", "yue"]].map(([what, who], n) => ({ at: Date.now() - n * 4e6, what, who, address: "192.0.2.7" })) }];
  if (path === "/v1/staff/numbers") return [200, makeNumbers(query.from!, query.to!)];
  if (path === "/v1/shopper/look") return [200, { name: "Brackenfold", assistant: "Wren", color: "#2f6b4f", greeting: "Hello! I am Wren, Brackenfold's assistant. Ask me about shoes, sizes, orders or returns.", suggestions: ["Can I return shoes I have worn?", "How long does shipping take?", "Which boots are waterproof?"], hours: "", email: "", language: "en" }];
  if (path === "/v1/staff/search") {
    const found = [...rows.values()].filter((row) => row.preview?.text.toLowerCase().includes((query.q ?? "").toLowerCase()));
    const at = (text: string): [number, number][] => { const n = text.toLowerCase().indexOf((query.q ?? "").toLowerCase()); return n < 0 ? [] : [[n, n + (query.q ?? "").length]]; };
    return [200, { hits: found.slice(0, 40).map((row) => ({ conv: row.conv, seq: 2, at: row.updated_at, by: row.preview!.by, text: row.preview!.text, marks: at(row.preview!.text), row })), people: [...rows.values()].filter((row) => `${row.shopper.name ?? ""} ${row.tags.join(" ")}`.toLowerCase().includes((query.q ?? "").toLowerCase())).slice(0, 3), people_total: 9, total: found.length, ms: 3.2, behind: 0 }];
  }
  if (path === "/v1/staff/conversations") return [200, page(query, query.after)];
  const one = /^\/v1\/staff\/conversations\/([^/]+)(\/events)?$/.exec(path);
  if (one) {
    const row = rows.get(decodeURIComponent(one[1]!));
    if (!row) return [404, { error: { code: "not_found", message: "" } }];
    if (one[2]) return [200, { events: [], more: false }];
    return [200, { row, shopper: { ...row.shopper, external: row.shopper.verified ? "BF-20931" : undefined, created_at: row.created_at - 4e9, conversations: 3 }, others: [rows.get(id(90))!, rows.get(id(141))!].filter(Boolean) }];
  }
  return trainingRoute(method, path) ?? [204, undefined];
}

class MockSocket extends EventTarget {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  #open: string | undefined;
  constructor() {
    super();
    setTimeout(() => {
      this.readyState = 1;
      this.onopen?.();
    }, 20);
    (window as unknown as { mockSocket: MockSocket }).mockSocket = this;
  }
  close(): void {
    this.readyState = 3;
  }
  drop(): void {
    this.readyState = 3;
    this.onclose?.({ code: 1006 });
  }
  hear(frame: DeskHears): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  #event(conv: string, body: object): void {
    const events = talk(conv);
    const event = { conv, seq: events.length + 1, at: Date.now(), ...body } as StaffEvent;
    events.push(event);
    if (this.#open === conv) this.hear({ t: "event", ...event } as DeskHears);
    const row = rows.get(conv)!;
    row.seq = event.seq;
    row.updated_at = event.at;
    if (event.kind === "said") row.preview = { by: event.by, text: event.text };
    if (event.kind === "owner") { row.owner = event.owner; row.staff = event.staff; if (event.owner !== "queue") delete row.waiting_since; }
    if (event.kind === "status") row.status = event.status === "resolved" ? "resolved" : "open";
    if (event.kind === "tags") row.tags = event.tags;
    this.hear({ t: "rows", rows: [{ ...row }], gone: [], counts: counts() });
  }
  send(text: string): void {
    const frame = JSON.parse(text) as DeskSays;
    setTimeout(() => this.#take(frame), 25);
  }
  #take(frame: DeskSays): void {
    switch (frame.t) {
      case "hello":
        this.hear({ t: "welcome", epoch: "e1", heads: {} });
        for (const { conv, seq } of frame.resume) this.#follow(conv, seq);
        break;
      case "list": {
        const { t: _, after, ...view } = frame;
        this.hear({ t: "list", at: Date.now(), ...view, ...(after && { after }), ...page(view as unknown as Record<string, string>, after) });
        break;
      }
      case "open":
        this.#follow(frame.conv, frame.seq);
        break;
      case "close":
        this.#open = undefined;
        break;
      case "seen": {
        const row = rows.get(frame.conv)!;
        if (row.unread) { row.unread = 0; this.hear({ t: "rows", rows: [{ ...row }], gone: [], counts: counts() }); }
        break;
      }
      case "take":
        this.#event(frame.conv, { kind: "owner", owner: "staff", staff: ME });
        break;
      case "release":
        this.#event(frame.conv, { kind: "owner", owner: "ai" });
        break;
      case "resolve":
        this.#event(frame.conv, { kind: "status", status: "resolved" });
        break;
      case "reopen":
        this.#event(frame.conv, { kind: "status", status: "open" });
        break;
      case "note":
        this.#event(frame.conv, { kind: "note", staff: ME, text: frame.text });
        break;
      case "tag":
        this.#event(frame.conv, { kind: "tags", staff: ME, tags: frame.tags });
        break;
      case "correct":
        this.#event(frame.conv, { kind: "correction", of: frame.seq, staff: ME, text: frame.text });
        break;
      case "say":
        this.hear({ t: "ack", cmid: frame.cmid, seq: 1 });
        this.#event(frame.conv, { kind: "said", cmid: frame.cmid, by: "staff", staff: ME, text: frame.text });
        setTimeout(() => this.hear({ t: "typing", conv: frame.conv, who: "shopper" }), 700);
        break;
      case "suggest":
        this.#suggest(frame.conv, "You can send them back within **60 days**, also worn: print the label in your account, and we refund you when the parcel is here.");
        break;
      case "unsuggest":
        clearInterval(this.#drafting);
        this.hear({ t: "suggestion", conv: frame.conv, off: this.#drafted, text: "", ended: "stopped" });
        break;
      default:
        break;
    }
  }
  #drafting: ReturnType<typeof setInterval> | undefined;
  #drafted = 0;
  #suggest(conv: string, text: string): void {
    clearInterval(this.#drafting);
    this.#drafted = 0;
    const words = text.split(/(?<= )/);
    this.#drafting = setInterval(() => {
      const word = words.shift() ?? "";
      this.hear({ t: "suggestion", conv, off: this.#drafted, text: word, ...(!words.length && { ended: "complete" as const }) });
      this.#drafted += word.length;
      if (!words.length) clearInterval(this.#drafting);
    }, 60);
  }
  #follow(conv: string, seq: number): void {
    this.#open = conv;
    const events = talk(conv);
    this.hear({ t: "opened", conv, head: events.length });
    for (const event of events) if (event.seq > seq) this.hear({ t: "event", ...event } as DeskHears);
  }
}

export function install(query: URLSearchParams): void {
  signedIn = !query.has("out");
  const real = window.fetch.bind(window);
  window.fetch = async (input, init) => {
    const address = new URL(String(input), location.href);
    if (!/^\/(v1|openapi)/.test(address.pathname)) return real(input, init);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const [status, body] = answer(init?.method ?? "GET", address, JSON.parse((init?.body as string | undefined) ?? "{}") as Record<string, unknown>);
    return new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
  };
  window.WebSocket = MockSocket as unknown as typeof WebSocket;
  window.EventSource = MockEvents as unknown as typeof EventSource;
}
