// What the shop's page and the frame say to each other. Both sides check origin, source and shape.

/** From the frame to the shop's page. */
export type FrameSays =
  | { t: "ready" }
  | { t: "close" }
  | { t: "unread"; count: number }
  | { t: "look"; color: string; title: string };

/** From the shop's page to the frame. */
export type PageSays = { t: "open" } | { t: "closed" } | { t: "identify"; jwt: string } | { t: "page"; address: string; title: string };

const MARK = "shopclerk";

export const wrap = (message: FrameSays | PageSays): object => ({ [MARK]: 1, ...message });

/** The message in `data`, if it is one of ours. Its fields are still to be checked. */
export function unwrap<T extends { t: string }>(data: unknown): (Partial<Record<string, unknown>> & { t: T["t"] }) | undefined {
  const bag = data as Record<string, unknown> | null;
  return typeof bag === "object" && bag !== null && bag[MARK] === 1 && typeof bag.t === "string"
    ? (bag as Record<string, unknown> & { t: T["t"] })
    : undefined;
}
