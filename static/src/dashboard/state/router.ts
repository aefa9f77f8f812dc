// Where we are: the part of the address behind `#`, so that one page serves everything and tokens reach no log.

import { signal } from "@preact/signals";
import type { Tab } from "../contract";

export type Route =
  | { page: "inbox"; tab: Tab; conv?: string; filters: Record<string, string> }
  | { page: "search"; q: string; by?: string; conv?: string; seq?: number }
  | { page: "numbers" }
  | { page: "training"; view: "runs" | "new" | "compare" | "models"; run?: string }
  | { page: "settings"; section: string }
  | { page: "setup" | "invite"; token: string };

export const TABS: Tab[] = ["waiting", "mine", "all", "resolved"];

/** Reads an address; whatever cannot be read is the inbox. */
export function parse(hash: string): Route {
  const text = hash.replace(/^#/, "");
  const link = /^(setup|invite)=(.+)$/.exec(text);
  if (link) return { page: link[1] as "setup" | "invite", token: decode(link[2]!) };
  const [path = "", search = ""] = text.split("?");
  const [page, first, second] = path.split("/").filter(Boolean).map(decode);
  const query = new URLSearchParams(search);
  switch (page) {
    case "search": {
      const seq = Number(query.get("seq"));
      return { page, q: query.get("q") ?? "", ...(query.get("by") && { by: query.get("by")! }), ...(first && { conv: first }), ...(seq > 0 && { seq }) };
    }
    case "numbers":
      return { page };
    case "training":
      return first === "new" || first === "compare" || first === "models" ? { page, view: first } : { page, view: "runs", ...(first === "run" && second && { run: second }) };
    case "settings":
      return { page, section: first ?? "" };
    default: {
      const tab = TABS.find((one) => one === first) ?? "waiting";
      const filters = Object.fromEntries([...query].filter(([key]) => ["tag", "staff", "owner", "rating", "mood", "unread", "from", "to"].includes(key)));
      return { page: "inbox", tab, ...(page === "inbox" && second && { conv: second }), filters };
    }
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a route, with `#`. */
export function href(route: Route): string {
  const query = (values: Record<string, string | number | undefined>): string => {
    const known = Object.entries(values).filter((entry): entry is [string, string | number] => entry[1] !== undefined && entry[1] !== "");
    return known.length ? `?${new URLSearchParams(known.map(([key, value]) => [key, String(value)]))}` : "";
  };
  switch (route.page) {
    case "inbox":
      return `#/inbox/${route.tab}${route.conv ? `/${encodeURIComponent(route.conv)}` : ""}${query(route.filters)}`;
    case "search":
      return `#/search${route.conv ? `/${encodeURIComponent(route.conv)}` : ""}${query({ q: route.q, by: route.by, seq: route.seq })}`;
    case "numbers":
      return "#/numbers";
    case "training":
      return `#/training${route.run ? `/run/${encodeURIComponent(route.run)}` : route.view === "runs" ? "" : `/${route.view}`}`;
    case "settings":
      return `#/settings${route.section ? `/${route.section}` : ""}`;
    default:
      return `#${route.page}=${encodeURIComponent(route.token)}`;
  }
}

export const route = signal<Route>({ page: "inbox", tab: "waiting", filters: {} });

export function startRouter(): void {
  const read = (): void => {
    route.value = parse(location.hash);
  };
  addEventListener("hashchange", read);
  read();
}

export function go(to: Route): void {
  location.hash = href(to);
}

/** As `go`, but "back" does not come here. */
export function goInstead(to: Route): void {
  history.replaceState(null, "", href(to));
  route.value = to;
}
