// Search over everything that was ever said, in its context, and over whom it was said with.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, query } from "../../api";
import type { Hit, Hits } from "../../contract";
import { ago, number, t, tn } from "../../i18n";
import { complain, shopperName } from "../../state/app";
import { goInstead, href, type Route } from "../../state/router";
import { Button, Empty, minute, Spin } from "../../ui/kit";
import { SearchBox } from "./list";
import { ListRow } from "./row";

type SearchRoute = Extract<Route, { page: "search" }>;
const WRITERS = ["", "shopper", "ai", "staff", "note"] as const;

/** A place that was found: a conversation, or a message in one. */
type Find = { conv: string; seq?: number };

/** What the search has found so far, for the keyboard. */
const finds = signal<Find[]>([]);

const isAt = (find: Find, at: SearchRoute): boolean => find.conv === at.conv && find.seq === at.seq;

function to(find: Find, at: SearchRoute): SearchRoute {
  const { conv: _, seq: __, ...search } = at;
  return { ...search, conv: find.conv, ...(find.seq !== undefined && { seq: find.seq }) };
}

/** The find `by` places below the one that is open; the first one if none is. */
export function stepFinds(at: SearchRoute, by: number): SearchRoute | undefined {
  const all = finds.value;
  const place = all.findIndex((find) => isAt(find, at));
  const find = all[place < 0 ? 0 : Math.min(all.length - 1, Math.max(0, place + by))];
  return find && to(find, at);
}

export function SearchColumn({ at }: { at: SearchRoute }): JSX.Element {
  const [found, setFound] = useState<Hits | undefined>();
  useEffect(() => {
    finds.value = found ? [...found.people.map(({ conv }) => ({ conv })), ...found.hits] : [];
  }, [found]);
  useEffect(() => () => void (finds.value = []), []);
  const [busy, setBusy] = useState(true);
  // An answer that comes after a newer question's is not wanted any more.
  const asked = useRef(0);
  const ask = async (after?: number): Promise<void> => {
    const mine = ++asked.current;
    setBusy(true);
    try {
      const page = await get<Hits>(query("/v1/staff/search", { q: at.q, by: at.by, after, limit: 40 }));
      if (mine === asked.current) setFound((before) => (after && before ? { ...page, people: before.people, people_total: before.people_total, hits: [...before.hits, ...page.hits] } : page));
    } catch (fault) {
      if (mine === asked.current) complain(fault);
    } finally {
      if (mine === asked.current) setBusy(false);
    }
  };
  useEffect(() => void ask(), [at.q, at.by]);
  return (
    <section class="list" aria-label={t("search.label")}>
      {at.conv === undefined && <h1 class="sr">{t("search.label")}</h1>}
      <SearchBox value={at.q} />
      <div class="list-tabs">
        <div class="tabs" role="group" aria-label={t("search.by")}>
          {WRITERS.map((by) => (
            <button type="button" key={by} class="tab" aria-current={(at.by ?? "") === by ? "true" : undefined} onClick={() => goInstead({ page: "search", q: at.q, ...(by && { by }) })}>
              {t(by ? `search.by_${by}` : "search.by_all")}
            </button>
          ))}
        </div>
      </div>
      {found && <p class="found small dim" role="status">{tn("search.found", found.total)} · {number(found.ms, 1)} ms{found.behind > 0 ? ` · ${tn("search.behind", found.behind)}` : ""}</p>}
      {found && (found.hits.length > 0 || found.people.length > 0) ? (
        <div class="hits" key={`${at.q} ${at.by}`}>
          {found.people.length > 0 && <People found={found} at={at} />}
          {found.people.length > 0 && found.hits.length > 0 && <h2 class="hits-head small dim">{t("search.messages")}</h2>}
          {found.hits.length > 0 && (
            <ul aria-label={t("search.label")}>
              {found.hits.map((hit) => <li key={`${hit.conv}.${hit.seq}`}><HitLink hit={hit} at={at} /></li>)}
              {found.next && <li class="hits-more"><Button disabled={busy} onClick={() => void ask(found.next)}>{t("ui.more")}</Button></li>}
            </ul>
          )}
        </div>
      ) : !busy ? (
        <Empty icon="search" title={t("search.none")}>{t("search.none_hint")}</Empty>
      ) : (
        <div class="empty"><Spin /></div>
      )}
    </section>
  );
}

/** Whose name, address or tags fit. */
function People({ found, at }: { found: Hits; at: SearchRoute }): JSX.Element {
  const more = found.people_total - found.people.length;
  return (
    <section class="people" aria-label={t("search.people")}>
      <h2 class="hits-head small dim">{t("search.people")}</h2>
      <ul>{found.people.map((row) => <li key={row.conv}><ListRow row={row} current={isAt({ conv: row.conv }, at)} address={href(to({ conv: row.conv }, at))} /></li>)}</ul>
      {more > 0 && <p class="small dim">{tn("search.people_more", more)}</p>}
    </section>
  );
}

function HitLink({ hit, at }: { hit: Hit; at: SearchRoute }): JSX.Element {
  const current = isAt(hit, at);
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    if (current) link.current?.scrollIntoView({ block: "nearest" });
  }, [current]);
  return (
    <a class="hit" ref={link} href={href(to(hit, at))} aria-current={current ? "true" : undefined}>
      <span class="item-top">
        <span class="item-name cut" dir="auto">{shopperName(hit.row.shopper)}</span>
        <span class="tag">{t(`search.by_${hit.by}`)}</span>
        <time class="item-at num" dateTime={new Date(hit.at).toISOString()}>{ago(hit.at, minute.value)}</time>
      </span>
      <span class="hit-text" dir="auto">{marked(hit.text, hit.marks)}</span>
    </a>
  );
}

/** The passage with its finds marked; offsets that make no sense are left out. */
export function marked(text: string, marks: [number, number][]): (string | JSX.Element)[] {
  const out: (string | JSX.Element)[] = [];
  let end = 0;
  for (const [from, to] of marks) {
    if (from < end || to <= from || to > text.length) continue;
    out.push(text.slice(end, from), <mark key={from}>{text.slice(from, to)}</mark>);
    end = to;
  }
  out.push(text.slice(end));
  return out;
}
