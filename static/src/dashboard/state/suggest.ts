// The model's draft of a reply, piece by piece.

import { signal } from "@preact/signals";

export interface Suggestion {
  stop(): void;
  /** Resolves with the whole text when it is finished or stopped; rejects with a Fault. */
  done: Promise<string>;
}

/** Starts one; undefined where the server offers none. */
export type Suggest = (conv: string, onText: (text: string) => void) => Suggestion;

export const suggest = signal<Suggest | undefined>(undefined);
