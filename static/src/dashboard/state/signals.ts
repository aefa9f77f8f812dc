// Wishes that one part of the page has of another.

import { signal } from "@preact/signals";
import type { Mode } from "./drafts";

/** Asks the composer to take the focus; a new object each time. */
export const wantComposer = signal<{ mode: Mode } | undefined>(undefined);
export const wantSuggestion = signal(0);
export const wantTags = signal(0);
export const wantSearch = signal(0);
/** The panel beside a conversation: over it where there is no room. */
export const panelOpen = signal(matchMedia("(min-width: 1180px)").matches);
export const helpOpen = signal(false);
