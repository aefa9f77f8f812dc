// The list as it is asked for: over the socket, or by HTTP where only that knows the filters; and kept right by what changes.

import { signal } from "@preact/signals";
import type { Counts, Row, RowPage } from "../contract";
import { Draw } from "./draw";
import type { DeskHears, DeskSays } from "./frames";
import { isFine, joined, List, sameView, type View } from "./list";

export interface ListDeps {
  me: string;
  send(frame: DeskSays): boolean;
  page(view: View, after?: string): Promise<RowPage>;
  /** Rows as they were and as they are; `since` is when, by the server's clock, we began to listen. */
  onRows(before: (Row | undefined)[], rows: Row[], since: number): void;
  onFault(code: string, message: string): void;
}

const PAGE = 100;

export class Listing {
  readonly list: List;
  /** Grows with every change of the list. */
  readonly listed = signal(0);
  /** The page that is on its way; "" is the first one. */
  #asking: string | undefined;
  /** Changes heard of while a page comes by HTTP: it may have been read before them. */
  #meanwhile: { rows: Row[]; gone: string[] }[] = [];
  /** When, by the server's clock, this connection began to hear of changes. */
  #since: number | undefined;
  readonly #draw = new Draw(() => void this.listed.value++);

  constructor(private readonly deps: ListDeps) {
    this.list = new List(deps.me);
  }

  show(view: View): void {
    if (sameView(view, this.list.view) && (this.list.loaded || this.#asking !== undefined)) return;
    this.list.show(view);
    this.#draw.soon();
    this.#ask();
  }

  /** The next page, if there is one. */
  more(): void {
    if (this.list.next !== undefined && this.#asking === undefined) this.#ask(this.list.next);
  }

  linked(online: boolean): void {
    this.#asking = undefined;
    this.#since = undefined;
    if (!online) return;
    this.list.loaded = false;
    this.#ask();
  }

  hear(frame: Extract<DeskHears, { t: "list" | "rows" | "relist" }>): void {
    if (frame.t === "relist") return this.#ask();
    if (frame.t === "list") {
      const { tab, tag, staff, after, at } = frame;
      const { view } = this.list;
      this.#since ??= at;
      if (sameView({ tab, ...(tag && { tag }), ...(staff && { staff }) }, view)) this.#paged(frame, after ?? undefined);
      else this.#counted(frame.counts);
      return;
    }
    const before = frame.rows.map((row) => this.list.rows.get(row.conv));
    if (this.#asking !== undefined) this.#meanwhile.push(frame);
    this.list.change(frame.rows, frame.gone, frame.counts);
    this.#draw.soon();
    this.deps.onRows(before, frame.rows, this.#since ?? Infinity);
  }

  #ask(after?: string): void {
    const { view } = this.list;
    const { tab, tag, staff } = view;
    const key = after ?? "";
    this.#meanwhile = [];
    if (!isFine(view)) {
      const asked = this.deps.send({ t: "list", tab, ...(tag && { tag }), ...(staff && { staff }), ...(after && { after }), limit: PAGE });
      this.#asking = asked ? key : undefined;
      return;
    }
    // The page comes by HTTP, but only who asked over the socket hears of changes.
    if (after === undefined) this.deps.send({ t: "list", tab, limit: 1 });
    this.#asking = key;
    this.deps.page(view, after).then(
      (page) => {
        if (!sameView(view, this.list.view)) return;
        const { rows, gone } = joined(this.#meanwhile);
        const { counts } = this.list;
        this.#paged(page, after);
        if (rows.length || gone.length) this.list.change(rows, gone, counts);
      },
      (fault: { code?: string; message?: string }) => {
        if (!sameView(view, this.list.view)) return;
        this.#asking = undefined;
        this.deps.onFault(fault.code ?? "other", fault.message ?? "");
      },
    );
  }

  #paged(page: RowPage, after?: string): void {
    this.#asking = undefined;
    this.list.page(page.rows, page.next ?? undefined, page.counts, after);
    this.#draw.soon();
  }

  #counted(counts: Counts): void {
    this.list.counts = counts;
    this.#draw.soon();
  }
}
