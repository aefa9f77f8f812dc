// Days and shares, as the numbers page counts them.

import type { Figures } from "../../contract";

/** The last `days` days up to and including `now`, as the server is asked for them. */
export function span(days: number, now: Date): { from: string; to: string; offset: number } {
  // Minutes east of UTC; the server takes quarters of an hour.
  const offset = Math.round(-now.getTimezoneOffset() / 15) * 15;
  const local = now.getTime() + offset * 60_000;
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
  return { from: day(local - (days - 1) * 86_400_000), to: day(local), offset };
}

/** Seconds since 1970 of a day's beginning, in UTC. */
export const dayOf = (day: string): number => Date.parse(`${day}T00:00:00Z`) / 1000;

/** True if nothing at all happened. */
export const isEmpty = ({ conversations, messages, replies, by_staff, handoffs, up, down }: Figures): boolean => !(conversations + messages + replies + by_staff + handoffs + up + down);

/** `a` of `a + b`; 0 of nothing. */
export const share = (a: number, b: number): number => (a + b ? a / (a + b) : 0);
