// What this server can do, from its own description: what it does not offer is not shown.

import { effect, signal } from "@preact/signals";
import { get } from "../api";
import { me } from "./app";

/** Paths of `/openapi.json`; undefined until they are known. */
export const offers = signal<Set<string> | undefined>(undefined);

/** True if the server has this path; false while it is not known. */
export const offered = (path: string): boolean => offers.value?.has(path) === true;

export function watchOffers(): void {
  effect(() => {
    if (!me.value || offers.peek()) return;
    get<{ paths?: Record<string, unknown> }>("/openapi.json").then(
      (one) => (offers.value = new Set(Object.keys(one.paths ?? {}))),
      () => (offers.value = new Set()),
    );
  });
}
