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
  async open(): Promise<Session> {
    const kept = this.current;
    return kept && kept.expires_at > this.now() + SPARE_MS ? kept : this.renew(kept);
  }

  /** A new token for the same conversation. Another tab may have got one already. */
  async renew(stale: Session | undefined): Promise<Session> {
    const kept = this.current;
    if (kept && stale && kept.token !== stale.token && kept.expires_at > this.now() + SPARE_MS) return kept;
    if (!kept) return this.#ask({});
    try {
      return await this.#ask({}, kept.token);
    } catch (error) {
      // Too old to be renewed: the shopper starts anew.
      if (error instanceof Refused && (error.status === 401 || error.status === 403)) return this.#ask({});
      throw error;
    }
  }

  /** Proves who the shopper is with a token that the shop signed. */
  async identify(identity: string): Promise<Session> {
    return this.#ask({ identity }, this.current?.token);
  }

  async #ask(body: object, token?: string): Promise<Session> {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    const reply = await this.fetcher("/v1/shopper/session", {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      credentials: "omit",
    });
    if (!reply.ok) {
      const fault = (await reply.json().catch(() => undefined)) as { error?: { code?: string } } | undefined;
      throw new Refused(fault?.error?.code ?? `http_${reply.status}`, reply.status, Number(reply.headers.get("Retry-After")) || undefined);
    }
    const session = (await reply.json()) as Session;
    this.keep.set(KEY, session);
    return session;
  }
}
