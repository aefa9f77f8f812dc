// Messages that the server has not acknowledged yet. They survive a reload, and every tab of the same browser may send
// them: the server takes a client id once, however often it comes.

import type { Keep } from "./keep";

export interface Letter {
  cmid: string;
  conv: string;
  text: string;
  /** When it was written, milliseconds since 1970. */
  at: number;
  /** Why the server refused it for good; the shopper decides what happens next. */
  refused?: string;
  /** Not to be sent before this time: the server asked to wait. */
  notBefore?: number;
}

const KEY = "outbox";

/** The conversations that have letters. No method: only the dashboard has many, and the widget must stay small. */
export function addressed(keep: Keep): string[] {
  const kept = keep.get<Letter[]>(KEY);
  return Array.isArray(kept) ? [...new Set(kept.map((letter) => letter.conv))] : [];
}

export class Outbox {
  /** Acknowledged, but not yet seen as an event: still shown. */
  #acked = new Map<string, Letter>();

  constructor(
    private readonly keep: Keep,
    private readonly newId: () => string,
    private readonly now: () => number,
  ) {}

  add(conv: string, text: string): Letter {
    const letter: Letter = { cmid: this.newId(), conv, text, at: this.now() };
    this.#save([...this.#all(), letter]);
    return letter;
  }

  /** What is to be sent now, oldest first. A letter behind one that has to wait waits too, so that order is kept. */
  due(conv: string): Letter[] {
    const due: Letter[] = [];
    for (const letter of this.#of(conv)) {
      if (letter.refused) continue;
      if ((letter.notBefore ?? 0) > this.now()) break;
      due.push(letter);
    }
    return due;
  }

  /** Milliseconds until the next letter may be sent; undefined if none has to wait. */
  nextDue(conv: string): number | undefined {
    const waiting = this.#of(conv).find((letter) => !letter.refused && (letter.notBefore ?? 0) > this.now());
    return waiting && (waiting.notBefore ?? 0) - this.now();
  }

  /** What the transcript does not show yet. */
  shown(conv: string): Letter[] {
    return [...[...this.#acked.values()].filter((letter) => letter.conv === conv), ...this.#of(conv)];
  }

  /** The server has it on disk. */
  acked(cmid: string): void {
    const letter = this.#all().find((one) => one.cmid === cmid);
    if (!letter) return;
    this.#acked.set(cmid, { ...letter, notBefore: undefined });
    this.remove(cmid);
  }

  /** It is part of the transcript now. */
  seen(cmid: string): void {
    this.#acked.delete(cmid);
    if (this.#all().some((letter) => letter.cmid === cmid)) this.remove(cmid);
  }

  /** The server did not take it: for good, or until `waitSeconds` have passed. */
  refused(cmid: string, code: string, waitSeconds?: number): void {
    this.#change(cmid, waitSeconds === undefined ? { refused: code } : { notBefore: this.now() + waitSeconds * 1000 });
  }

  /** The shopper wants a refused letter sent again. */
  again(cmid: string): void {
    this.#change(cmid, { refused: undefined, notBefore: undefined });
  }

  remove(cmid: string): void {
    this.#save(this.#all().filter((letter) => letter.cmid !== cmid));
  }

  /** Gives what is left to another conversation, when the old one is gone. */
  move(from: string, to: string): void {
    this.#save(this.#all().map((letter) => (letter.conv === from ? { ...letter, conv: to } : letter)));
  }

  #of(conv: string): Letter[] {
    return this.#all().filter((letter) => letter.conv === conv);
  }

  #all(): Letter[] {
    const kept = this.keep.get<Letter[]>(KEY);
    return Array.isArray(kept) ? kept : [];
  }

  #change(cmid: string, change: Partial<Letter>): void {
    this.#save(this.#all().map((letter) => (letter.cmid === cmid ? { ...letter, ...change } : letter)));
  }

  #save(letters: Letter[]): void {
    this.keep.set(KEY, letters);
  }
}
