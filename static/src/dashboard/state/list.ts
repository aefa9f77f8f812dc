// The list of conversations: pages of rows, kept in order while rows change under it.
//
// Plain data, no sockets: every frame can be tested.

import type { Counts, Mood, Owner, Row, Tab, Thumb } from "../contract";

/** What is asked for: a tab and its filters. */
export interface View {
  tab: Tab;
  tag?: string;
  staff?: string;
  owner?: Owner;
  rating?: Thumb;
  mood?: Mood;
  unread?: boolean;
  from?: number;
  to?: number;
}

export const sameView = (a: View, b: View): boolean => JSON.stringify(tidy(a)) === JSON.stringify(tidy(b));

/** The view without what is not set, in one order. */
export function tidy(view: View): View {
  const { tab, tag, staff, owner, rating, mood, unread, from, to } = view;
  return { tab, ...(tag && { tag }), ...(staff && { staff }), ...(owner && { owner }), ...(rating && { rating }), ...(mood && { mood }), ...(unread && { unread }), ...(from && { from }), ...(to && { to }) };
}

/** True if only HTTP knows these filters. */
export const isFine = (view: View): boolean => Boolean(view.owner || view.rating || view.mood || view.unread || view.from || view.to);

/** Several changes as one: the newest word on a row counts. */
export function joined(changes: { rows: Row[]; gone: string[] }[]): { rows: Row[]; gone: string[] } {
  const rows = new Map<string, Row>();
  const gone = new Set<string>();
  for (const change of changes) {
    for (const row of change.rows) rows.set(row.conv, row);
    for (const conv of change.gone) {
      rows.delete(conv);
      gone.add(conv);
    }
  }
  return { rows: [...rows.values()], gone: [...gone] };
}

export function belongs(row: Row, view: View, me: string): boolean {
  const inTab: Record<Tab, boolean> = {
    waiting: row.status === "open" && row.owner === "queue",
    mine: row.status === "open" && row.owner === "staff" && row.staff === me,
    all: row.status === "open",
    resolved: row.status === "resolved",
  };
  return (
    inTab[view.tab] &&
    (!view.tag || row.tags.includes(view.tag)) &&
    (!view.staff || row.staff === view.staff) &&
    (!view.owner || row.owner === view.owner) &&
    (!view.rating || row.rating === view.rating) &&
    (!view.mood || row.mood === view.mood) &&
    (!view.unread || row.unread > 0) &&
    (!view.from || row.updated_at >= view.from) &&
    (!view.to || row.updated_at <= view.to)
  );
}

/** A run of so many unhappy messages goes before those who only wait, as the server has it. */
const RUN = 2;

/** The unhappy messages that raise a conversation; 0 if they are no run. */
export const run = ({ unhappy = 0 }: Row): number => (unhappy < RUN ? 0 : unhappy);

/** Below 0 if `a` stands before `b`. */
export function order(tab: Tab, a: Row, b: Row): number {
  const by = tab === "waiting" ? run(b) - run(a) || (a.waiting_since ?? a.updated_at) - (b.waiting_since ?? b.updated_at) : b.updated_at - a.updated_at;
  return by || (a.conv < b.conv ? -1 : a.conv > b.conv ? 1 : 0);
}

export const NO_COUNTS: Counts = { waiting: 0, mine: 0, all: 0, resolved: 0, unread: 0 };

export class List {
  view: View = { tab: "waiting" };
  /** Every row that was heard of, of this view or not. */
  readonly rows = new Map<string, Row>();
  /** Conversations of the view, in its order. */
  ids: string[] = [];
  /** Where the next page begins; undefined if there is none. */
  next: string | undefined;
  counts: Counts = NO_COUNTS;
  /** False until the first page of this view came. */
  loaded = false;

  constructor(public me: string) {}

  /** Another view, empty until its first page comes; what is known of it is shown at once. */
  show(view: View): void {
    this.view = tidy(view);
    this.next = undefined;
    this.loaded = false;
    const known = [...this.rows.values()].filter((row) => belongs(row, this.view, this.me));
    this.ids = known.sort((a, b) => order(this.view.tab, a, b)).map((row) => row.conv);
  }

  /** A page of the present view. The first one replaces everything. */
  page(rows: Row[], next: string | undefined, counts: Counts, after?: string): void {
    for (const row of rows) this.rows.set(row.conv, row);
    if (after === undefined) {
      this.ids = rows.map((row) => row.conv);
      this.loaded = true;
    } else {
      const known = new Set(this.ids);
      this.ids.push(...rows.map((row) => row.conv).filter((conv) => !known.has(conv)));
    }
    this.next = next;
    this.counts = counts;
  }

  /** Rows that changed, and conversations that are gone. */
  change(rows: Row[], gone: string[], counts: Counts): void {
    this.counts = counts;
    if (!rows.length && !gone.length) return;
    const changed = new Set([...rows.map((row) => row.conv), ...gone]);
    if (this.ids.some((conv) => changed.has(conv))) this.ids = this.ids.filter((conv) => !changed.has(conv));
    for (const conv of gone) this.rows.delete(conv);
    for (const row of rows) {
      this.rows.set(row.conv, row);
      if (belongs(row, this.view, this.me)) this.#place(row);
    }
  }

  #place(row: Row): void {
    let low = 0;
    let high = this.ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.rows.get(this.ids[middle]!)!;
      if (order(this.view.tab, other, row) < 0) low = middle + 1;
      else high = middle;
    }
    // Behind the last page that was read: it comes with its own page.
    if (low === this.ids.length && this.next !== undefined) return;
    this.ids.splice(low, 0, row.conv);
  }

  /** The conversation `by` places below `conv`; the first one if `conv` is not in the list. */
  step(conv: string | undefined, by: number): string | undefined {
    const at = conv === undefined ? -1 : this.ids.indexOf(conv);
    if (at < 0) return this.ids[0];
    return this.ids[Math.min(this.ids.length - 1, Math.max(0, at + by))];
  }
}
