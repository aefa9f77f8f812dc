// A desk whose server is the test.

import { afterEach, beforeEach, expect, vi } from "vitest";
import type { Detail } from "../src/dashboard/contract";
import { type Deps, Desk } from "../src/dashboard/state/desk";
import type { DeskHears, DeskSays } from "../src/dashboard/state/frames";
import { NO_COUNTS } from "../src/dashboard/state/list";
import { keepIn } from "../src/widget/keep";
import { row } from "./dashboard-rows";

export const CONV = row(1).conv;

/** A socket whose other end is the test. */
export class Wire {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((close: { code: number }) => void) | null = null;
  sent: DeskSays[] = [];
  constructor(readonly protocols: string[]) {}
  send(text: string): void {
    this.sent.push(JSON.parse(text) as DeskSays);
  }
  close(): void {
    this.readyState = 3;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  hear(frame: DeskHears): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  drop(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
  take(): DeskSays[] {
    return this.sent.splice(0);
  }
}

export const wires: Wire[] = [];
export const faults: string[] = [];
let tickets = 0;
let ids = 0;

export function desk(change: Partial<Deps> = {}): Desk {
  const kept = new Map<string, string>();
  return new Desk({
    me: "mara",
    keep: keepIn(() => ({ getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value), removeItem: (key) => void kept.delete(key) })),
    ticket: async () => ({ shopper: "", conversation: "", token: `t${++tickets}`, expires_at: 0 }),
    connect: (protocols) => {
      const wire = new Wire(protocols);
      wires.push(wire);
      return wire as unknown as WebSocket;
    },
    page: async () => ({ rows: [], counts: NO_COUNTS }),
    detail: async () => ({ row: row(1), shopper: { ...row(1).shopper, conversations: 1 }, others: [] }) satisfies Detail,
    events: async () => ({ events: [], more: false }),
    newId: () => `id${++ids}`,
    now: () => Date.now(),
    random: () => 0,
    onRows: () => {},
    onFault: (code) => void faults.push(code),
    onClosed: () => void faults.push("closed"),
    ...change,
  });
}
export async function online(here: Desk, epoch = "e1"): Promise<Wire> {
  await vi.advanceTimersByTimeAsync(600);
  const wire = wires.at(-1)!;
  wire.open();
  wire.hear({ t: "welcome", epoch, heads: {} });
  expect(here.link.value).toBe("online");
  return wire;
}

/** Every test has a clock of its own, and no sockets yet. */
export function freshly(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    wires.length = faults.length = tickets = ids = 0;
  });
  afterEach(() => vi.useRealTimers());
}

export const event = (seq: number, body: object): DeskHears => ({ t: "event", conv: CONV, seq, at: seq, ...body }) as DeskHears;
export const said = (seq: number, cmid = `c${seq}`): DeskHears => event(seq, { kind: "said", cmid, by: "shopper", text: "hi" });
