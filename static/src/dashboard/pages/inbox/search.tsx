// Search over everything that was ever said: finds in their context.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, query } from "../../api";
import type { Hit, Hits } from "../../contract";
import { ago, number, t, tn } from "../../i18n";
import { complain, shopperName } from "../../state/app";
import { goInstead, href, type Route } from "../../state/router";
import { Button, Empty, minute, Spin } from "../../ui/kit";
import { SearchBox } from "./list";

type SearchRoute = Extract<Route, { page: "search" }>;
const WRITERS = ["", "shopper", "ai", "staff", "note"] as const;

export function SearchColumn({ at }: { at: SearchRoute }): JSX.Element {
  const [found, setFound] = useState<Hits | undefined>();
  const [busy, setBusy] = useState(true);
  const ask = async (after?: string): Promise<void> => {
    setBusy(true);
    try {
      const page = await get<Hits>(query("/v1/staff/search", { q: at.q, by: at.by, after, limit: 40 }));
      setFound((before) => (after && before ? { ...page, hits: [...before.hits, ...page.hits] } : page));
    } catch (fault) {
      complain(fault);
    } finally {
      setBusy(false);
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
      {found && found.hits.length > 0 ? (
        <ul class="hits" aria-label={t("search.label")}>
          {found.hits.map((hit) => <li key={`${hit.conv}.${hit.seq}`}><HitLink hit={hit} at={at} /></li>)}
          {found.next && <li class="hits-more"><Button disabled={busy} onClick={() => void ask(found.next)}>{t("ui.more")}</Button></li>}
        </ul>
      ) : !busy ? (
        <Empty icon="search" title={t("search.none")}>{t("search.none_hint")}</Empty>
      ) : (
        <div class="empty"><Spin /></div>
      )}
    </section>
  );
}

function HitLink({ hit, at }: { hit: Hit; at: SearchRoute }): JSX.Element {
  const current = at.conv === hit.conv && at.seq === hit.seq;
  return (
    <a class="hit" href={href({ ...at, conv: hit.conv, seq: hit.seq })} aria-current={current ? "true" : undefined}>
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
