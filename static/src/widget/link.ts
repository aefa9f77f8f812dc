// The connection: opened, kept alive, opened again. It knows frames and waits, and nothing about what they mean.

import { Backoff } from "./backoff";
import type { Refused, Session } from "./session";
import { type ClientFrame, type ServerFrame, SUBPROTOCOL, TOKEN_PREFIX } from "../wire";

/** `closed`: the server will not talk to this page. */
export type LinkState = "idle" | "connecting" | "online" | "lost" | "closed";

export interface Wires {
  session(): Promise<Session>;
  renew(stale: Session | undefined): Promise<Session>;
  connect(protocols: string[]): WebSocket;
  hello(session: Session): ClientFrame;
  onFrame(frame: ServerFrame): void;
  onState(state: LinkState): void;
  now(): number;
  random(): number;
}

/** Opening, with the server's welcome, may take this long. */
const OPEN_MS = 10_000;
/** The server sends something at least every 25 s; after this long without it the connection is dead. */
const SILENCE_MS = 60_000;
/** After a pause (a sleeping phone) a connection that was silent for this long is not trusted. */
const STALE_MS = 30_000;
/** As good as never: eleven days. */
const NEVER_MS = 1e9;

export class Link {
  state: LinkState = "idle";
  #socket: WebSocket | null = null;
  #session: Session | undefined;
  #backoff: Backoff;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #openedAt = 0;
  #heardAt = 0;
  /** Which attempt is the present one: an older one that comes late is dropped. */
  #attempt = 0;
  /** Times we said hello on this connection without a welcome so far. */
  #unanswered = 0;
  /** The server said when to come back. */
  #comeBackIn: number | undefined;
  /** Attempts in a row that ended before a welcome: the token may be the reason. */
  #unwelcome = 0;

  constructor(private readonly wires: Wires) {
    this.#backoff = new Backoff(wires.random);
  }

  /** Connects now, unless there is a connection or one is being made. */
  start(): void {
    if (this.#socket || this.state === "connecting") return;
    clearTimeout(this.#timer);
    this.#set(this.state === "lost" ? "lost" : "connecting");
    void this.#open();
  }

  /** The page woke up or the network came back. */
  wake(): void {
    if (this.state === "idle" || this.state === "closed") return;
    if (this.#socket && this.wires.now() - this.#heardAt > STALE_MS) this.#drop();
    if (!this.#socket && this.#timer !== undefined) {
      this.#backoff.reset();
      this.start();
    }
  }

  /** Leaves the present connection, if any, and makes a new one: for another session. */
  restart(): void {
    clearTimeout(this.#timer);
    this.#detach();
    this.#session = undefined;
    this.state = "connecting";
    void this.#open();
  }

  /** False if it could not be sent; then the caller keeps it. */
  send(frame: ClientFrame): boolean {
    if (this.#socket?.readyState !== 1 || this.state !== "online") return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Asks for what is missing, unless that was asked already. */
  resume(): void {
    if (this.#socket?.readyState === 1 && this.#unanswered === 0) this.#hello(this.#socket);
  }

  #hello(socket: WebSocket): void {
    this.#unanswered++;
    socket.send(JSON.stringify(this.wires.hello(this.#session!)));
  }

  async #open(): Promise<void> {
    this.#timer = undefined;
    const attempt = ++this.#attempt;
    let session: Session;
    try {
      // A refused token is closed before the page can see why; after two such attempts ask for a new one.
      const renew = this.#unwelcome > 0 && this.#unwelcome % 2 === 0;
      session = renew ? await this.wires.renew(this.#session) : await this.wires.session();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      // Anything else that goes wrong has neither.
      const { status, retryAfter } = error as Partial<Refused>;
      return status === 403 ? this.#set("closed") : this.#later(retryAfter);
    }
    if (attempt !== this.#attempt) return;
    this.#session = session;
    let socket: WebSocket;
    try {
      socket = this.wires.connect([SUBPROTOCOL, TOKEN_PREFIX + session.token]);
    } catch {
      return this.#later();
    }
    this.#socket = socket;
    this.#unanswered = 0;
    this.#openedAt = this.#heardAt = this.wires.now();
    socket.onopen = () => this.#hello(socket);
    socket.onmessage = (message: MessageEvent) => this.#hear(message.data);
    socket.onclose = (close: CloseEvent) => {
      if (socket === this.#socket) this.#closed(close.code);
    };
    this.#watch = setInterval(() => this.#check(), 5_000);
  }

  #hear(data: unknown): void {
    this.#heardAt = this.wires.now();
    let frame: ServerFrame;
    try {
      frame = JSON.parse(String(data)) as ServerFrame;
    } catch {
      return;
    }
    if (frame.t === "bye") this.#comeBackIn = frame.reconnect_in_ms;
    if (frame.t === "welcome") {
      this.#unwelcome = 0;
      this.#unanswered--;
    }
    this.wires.onFrame(frame);
    if (frame.t === "welcome") this.#set("online");
  }

  #check(): void {
    if (this.wires.now() - this.#heardAt > (this.state === "online" ? SILENCE_MS : OPEN_MS)) this.#drop();
  }

  #drop(): void {
    this.#detach();
    this.#closed(1006);
  }

  #detach(): void {
    const socket = this.#socket;
    this.#socket = null;
    clearInterval(this.#watch);
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    try {
      socket.close();
    } catch {
      // It is gone either way.
    }
  }

  #closed(code: number): void {
    this.#detach();
    this.#backoff.lived(this.wires.now() - this.#openedAt);
    if (this.state !== "online") this.#unwelcome++;
    if (code === 4003) return this.#set("closed");
    // Newer tabs took our place: coming back by ourselves would take one of theirs. Whoever looks at this tab wakes it.
    if (code === 4009) this.#comeBackIn = NEVER_MS;
    if (code === 4001) {
      this.#set("lost");
      // Opening asks for a new session when it was unwelcome twice: its own token is no good.
      this.#unwelcome = 2;
      return void this.#open();
    }
    this.#later();
  }

  #later(seconds?: number): void {
    const wait = this.#comeBackIn ?? (seconds ? seconds * 1000 : this.#backoff.next());
    this.#comeBackIn = undefined;
    this.#set("lost");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#open(), wait);
  }

  #set(state: LinkState): void {
    if (state === this.state) return;
    this.state = state;
    this.wires.onState(state);
  }
}
