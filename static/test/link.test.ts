import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Backoff } from "../src/widget/backoff";
import { Link, type LinkState } from "../src/widget/link";
import { Refused, type Session } from "../src/widget/session";
import type { ServerFrame } from "../src/wire";

const session: Session = { shopper: "s", conversation: "c", token: "old", expires_at: Number.MAX_SAFE_INTEGER };

/** A socket whose other end is the test. */
class Socket {
  readyState = 0;
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((close: { code: number }) => void) | null = null;
  constructor(readonly protocols: string[]) {}
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.readyState = 3;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  say(frame: ServerFrame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  end(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

const welcome: ServerFrame = { t: "welcome", epoch: "e", heads: {} };

function set(over: { session?: () => Promise<Session> } = {}) {
  const sockets: Socket[] = [];
  const states: LinkState[] = [];
  const heard: string[] = [];
  let renewed = 0;
  const link = new Link({
    session: over.session ?? (() => Promise.resolve(session)),
    renew: () => Promise.resolve({ ...session, token: `new${++renewed}` }),
    connect: (protocols) => {
      sockets.push(new Socket(protocols));
      return sockets.at(-1) as unknown as WebSocket;
    },
    hello: () => ({ t: "hello", resume: [{ conv: "c", seq: 4 }] }),
    onFrame: (frame) => heard.push(frame.t),
    onState: (state) => states.push(state),
    now: Date.now,
    random: () => 0.5,
  });
  const last = (): Socket => sockets.at(-1)!;
  const tick = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
  return { link, sockets, states, heard, last, tick, renewed: () => renewed };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("waits between attempts", () => {
  it("are jittered from 0.5 to 30 s, and start over after 30 s of health", () => {
    const least = new Backoff(() => 0);
    const most = new Backoff(() => 1);
    expect(Array.from({ length: 9 }, () => least.next())).toEqual(Array(9).fill(500));
    expect(Array.from({ length: 8 }, () => most.next())).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    most.lived(29_999);
    expect(most.next()).toBe(30_000);
    most.lived(30_000);
    expect(most.next()).toBe(1000);
  });
});

describe("a connection", () => {
  it("names the protocol and the token, says hello first, and is online at the welcome", async () => {
    const { link, last, states, tick } = set();
    link.start();
    await tick();
    expect(last().protocols).toEqual(["shopclerk.v1", "token.old"]);
    expect(link.send({ t: "stop", conv: "c" })).toBe(false);
    last().open();
    expect(last().sent).toEqual(['{"t":"hello","resume":[{"conv":"c","seq":4}]}']);
    last().say(welcome);
    expect(states).toEqual(["connecting", "online"]);
    expect(link.send({ t: "stop", conv: "c" })).toBe(true);
  });

  it("that breaks is made again after a wait", async () => {
    const { link, last, sockets, states, tick } = set();
    link.start();
    await tick();
    last().open();
    last().say(welcome);
    last().end(1006);
    expect(states.at(-1)).toBe("lost");
    await tick(700);
    expect(sockets).toHaveLength(1);
    await tick(100);
    expect(sockets).toHaveLength(2);
  });

  it("that the server ends with `bye` is made again when it said", async () => {
    const { link, last, sockets, tick } = set();
    link.start();
    await tick();
    last().open();
    last().say(welcome);
    last().say({ t: "bye", reconnect_in_ms: 5000 });
    last().end(1012);
    await tick(4900);
    expect(sockets).toHaveLength(1);
    await tick(200);
    expect(sockets).toHaveLength(2);
  });

  it("whose token expired goes on with a new one, at once", async () => {
    const { link, last, tick, renewed } = set();
    link.start();
    await tick();
    last().open();
    last().say(welcome);
    last().end(4001);
    await tick();
    expect(renewed()).toBe(1);
  });

  it("whose place newer tabs took waits until somebody looks at it", async () => {
    const { link, last, sockets, states, tick } = set();
    link.start();
    await tick();
    last().open();
    last().say(welcome);
    last().end(4009);
    await tick(24 * 3_600_000);
    expect([sockets.length, states.at(-1)]).toEqual([1, "lost"]);
    link.wake();
    await tick();
    expect(sockets).toHaveLength(2);
    last().open();
    last().say(welcome);
    // From here on it is a connection like any other.
    last().end(1006);
    await tick(1_000);
    expect(sockets).toHaveLength(3);
  });

  it("of somebody who was blocked is not made again", async () => {
    const { link, last, sockets, states, tick } = set();
    link.start();
    await tick();
    last().open();
    last().say(welcome);
    last().end(4003);
    link.wake();
    await tick(3_600_000);
    expect([sockets.length, states.at(-1)]).toEqual([1, "closed"]);
  });

  it("that is refused twice before a welcome asks for a new token", async () => {
    const { link, last, tick, renewed } = set();
    link.start();
    await tick();
    last().end(1006);
    await tick(1_000);
    expect(renewed()).toBe(0);
    last().end(1006);
    await tick(2_000);
    expect(renewed()).toBe(1);
    expect(last().protocols).toEqual(["shopclerk.v1", "token.new1"]);
  });

  it("that is silent for a minute counts as dead", async () => {
    const { link, last, sockets, states, tick } = set();
    link.start();
    await tick();
    last().open();
    last().say(welcome);
    await tick(40_000);
    last().say({ t: "hb", heads: {} });
    await tick(59_000);
    expect(states.at(-1)).toBe("online");
    await tick(10_000);
    expect(sockets.length).toBeGreaterThan(1);
  });

  it("is tried at once when the page wakes up", async () => {
    const { link, last, sockets, tick } = set();
    link.start();
    await tick();
    last().open();
    last().say(welcome);
    last().end(1006);
    link.wake();
    await tick();
    expect(sockets).toHaveLength(2);
    link.wake();
    link.wake();
    await tick();
    expect(sockets).toHaveLength(2);
  });

  it("of a page that may not chat here is not tried again", async () => {
    const { link, states, sockets, tick } = set({ session: () => Promise.reject(new Refused("origin_forbidden", 403)) });
    link.start();
    await tick(120_000);
    expect(states.at(-1)).toBe("closed");
    expect(sockets).toHaveLength(0);
  });

  it("waits as long as the server asks before it asks for a session again", async () => {
    let asked = 0;
    const { link, tick } = set({
      session: () => {
        asked++;
        return Promise.reject(new Refused("rate_limited", 429, 20));
      },
    });
    link.start();
    await tick(19_000);
    expect(asked).toBe(1);
    await tick(1_100);
    expect(asked).toBe(2);
  });

  it("survives what is not a frame", async () => {
    const { link, last, heard, tick } = set();
    link.start();
    await tick();
    last().open();
    last().onmessage?.({ data: "{" });
    last().say(welcome);
    expect(heard).toEqual(["welcome"]);
  });
});
