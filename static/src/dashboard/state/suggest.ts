// The model's draft of a reply, piece by piece. One at a time: asking again ends the one before.

import type { ServerFrame } from "../../wire";

export interface Suggestion {
  /** No more of it; what came stays. */
  stop(): void;
  /** The whole text when it is finished or stopped, empty if there is nothing to suggest; rejects with a Refusal. */
  done: Promise<string>;
}

/** Why there is no draft: a code of the server, or `offline`. */
export class Refusal extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

type Piece = Extract<ServerFrame, { t: "suggestion" }>;

interface Running {
  conv: string;
  text: string;
  onText: (text: string) => void;
  resolve: (text: string) => void;
  reject: (why: Refusal) => void;
}

export class Suggestions {
  #running: Running | undefined;

  constructor(private readonly send: (frame: { t: "suggest" | "unsuggest"; conv: string }) => boolean) {}

  /** Asks for one; `onText` hears all of the text so far. */
  ask(conv: string, onText: (text: string) => void): Suggestion {
    this.#end((old) => old.resolve(old.text));
    let running!: Running;
    const done = new Promise<string>((resolve, reject) => {
      running = { conv, text: "", onText, resolve, reject };
    });
    this.#running = running;
    if (!this.send({ t: "suggest", conv })) this.refused("offline");
    return {
      done,
      stop: () => {
        // The server says what the last character is.
        if (this.#running === running && !this.send({ t: "unsuggest", conv })) this.refused("offline");
      },
    };
  }

  hear({ conv, off, text, ended }: Piece): void {
    const running = this.#running;
    if (running?.conv !== conv) return;
    running.text = [...running.text].slice(0, off).join("") + text;
    if (ended === undefined) return running.onText(running.text);
    this.#end((one) => (ended === "failed" ? one.reject(new Refusal("suggestion_failed")) : one.resolve(ended === "nothing" ? "" : one.text)));
  }

  /** The server refuses, or is gone. True if somebody was waiting for a draft. */
  refused(code: string): boolean {
    return this.#end((one) => one.reject(new Refusal(code)));
  }

  #end(how: (one: Running) => void): boolean {
    const one = this.#running;
    this.#running = undefined;
    if (one) how(one);
    return one !== undefined;
  }
}
