// Who the shopper is to the server: a short-lived token for one conversation, shared by the tabs of one browser.

import type { Keep } from "./keep";

export interface Session {
  shopper: string;
  conversation: string;
  token: string;
  /** Milliseconds since 1970. */
  expires_at: number;
  /** True if the shop vouched for who this is. */
  verified?: boolean;
}

/** The server answered, and it was no. `code` is its stable code. */
export class Refused extends Error {
  /** `retryAfter`: seconds; 0 or not a number if the server named none. */
  constructor(
    readonly code: string,
    readonly status: number,
    readonly retryAfter?: number,
  ) {
    super(code);
  }
}

const KEY = "session";
/** A token that ends sooner than this is renewed before it is used. */
const SPARE_MS = 20_000;

export class Sessions {
  constructor(
    private readonly keep: Keep,
    private readonly fetcher: typeof fetch,
    private readonly now: () => number = Date.now,
  ) {}

  /** What is kept, whether or not it is still valid. */
  get current(): Session | undefined {
    return this.keep.get<Session>(KEY);
  }

  /** A session that is good for a connection. Throws `Refused`, or a network error. */
  open(): Promise<Session> {
    return this.renew(undefined);
  }

  /** A new token for the same conversation, unless another tab got one already: `stale` is the one that is no good. */
  async renew(stale: Session | undefined): Promise<Session> {
    const kept = this.current;
    if (kept && kept.token !== stale?.token && kept.expires_at > this.now() + SPARE_MS) return kept;
    try {
      return await this.#ask();
    } catch (error) {
      // Too old to be renewed: the shopper starts anew.
      if (kept && [401, 403].includes((error as Refused).status)) return this.#ask(undefined, "", kept.token);
      throw error;
    }
  }

  /** Proves who the shopper is with a token that the shop signed. */
  async identify(identity: string): Promise<Session> {
    return this.#ask(identity);
  }

  /** `before`: the token that was kept when this began. */
  async #ask(identity?: string, token = this.current?.token, before = this.current?.token): Promise<Session> {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    const reply = await this.fetcher("/v1/shopper/session", {
      method: "POST",
      headers,
      body: JSON.stringify({ identity }),
      credentials: "omit",
    });
    if (!reply.ok) {
      const fault = (await reply.json().catch(() => undefined)) as { error?: { code?: string } } | undefined;
      throw new Refused(fault?.error?.code ?? reply.statusText, reply.status, +reply.headers.get("Retry-After")!);
    }
    const session = (await reply.json()) as Session;
    // Meanwhile another tab was faster, or logged out: all tabs are one shopper, and none brings back who left.
    const kept = this.current;
    if (identity ? before && !kept : kept?.token !== before) return kept ?? this.#ask();
    this.keep.set(KEY, session);
    return session;
  }
}
