// The column of conversations: tabs, filters, search, rows.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Tab } from "../../contract";
import { compact, known, t } from "../../i18n";
import { desk, nameOf, people } from "../../state/app";
import { offered } from "../../state/offers";
import { go, goInstead, href, type Route, route, TABS } from "../../state/router";
import { wantSearch } from "../../state/signals";
import { Icon } from "../../ui/icon";
import { Button, Empty, Field, Spin, useAway } from "../../ui/kit";
import { Virtual } from "../../ui/virtual";
import { ListRow, ROW_HEIGHT } from "./row";

type InboxRoute = Extract<Route, { page: "inbox" }>;

export function ListColumn({ at }: { at: InboxRoute }): JSX.Element {
  const here = desk.value!;
  void here.listed.value;
  const { list } = here;
  const filtered = Object.keys(at.filters).length > 0;
  return (
    <section class="list" aria-label={t("inbox.conversations")}>
      {at.conv === undefined && <h1 class="sr">{t("nav.inbox")}</h1>}
      {offered("/v1/staff/search") ? <SearchBox value="" /> : <div class="list-top" />}
      <div class="list-tabs">
        <nav class="tabs" aria-label={t("inbox.lists")}>
          {TABS.map((tab) => <TabLink key={tab} tab={tab} at={at} count={list.counts[tab]} />)}
        </nav>
        <Filters at={at} />
      </div>
      {filtered && <FilterChips at={at} />}
      {list.ids.length > 0 ? (
        <Virtual
          ids={list.ids}
          height={ROW_HEIGHT}
          label={t(`tab.${at.tab}`)}
          current={at.conv}
          onEnd={() => here.more()}
          draw={(id) => {
            const row = list.rows.get(id);
            return row && <ListRow row={row} current={id === at.conv} address={href({ ...at, conv: id })} />;
          }}
        />
      ) : list.loaded ? (
        <Nothing at={at} />
      ) : (
        <div class="empty"><Spin /></div>
      )}
    </section>
  );
}

function TabLink({ tab, at, count }: { tab: Tab; at: InboxRoute; count: number }): JSX.Element {
  return (
    <a class="tab" href={href({ page: "inbox", tab, filters: at.filters })} aria-current={at.tab === tab ? "page" : undefined}>
      {t(`tab.${tab}`)}
      {count > 0 && tab !== "resolved" && <span class={`count${tab === "waiting" ? " hot" : ""}`}>{compact(count)}</span>}
    </a>
  );
}

function Nothing({ at }: { at: InboxRoute }): JSX.Element {
  if (Object.keys(at.filters).length) return <Empty icon="filter" title={t("inbox.none_filtered")}><a href={href({ ...at, filters: {} })}>{t("inbox.clear_filters")}</a></Empty>;
  return <Empty icon={at.tab === "waiting" ? "checks" : "inbox"} title={t(`empty.${at.tab}`)}>{t(`empty.${at.tab}_hint`)}</Empty>;
}

/** Typing searches everything; Escape goes back to the list. */
export function SearchBox({ value }: { value: string }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const asked = wantSearch.value;
  useEffect(() => {
    if (asked || value) field.current?.focus();
  }, [asked]);
  const search = (q: string): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      const at = route.value;
      if (!q.trim()) return at.page === "search" ? goInstead({ page: "inbox", tab: "all", filters: {} }) : undefined;
      (at.page === "search" ? goInstead : go)({ page: "search", q, ...(at.page === "search" && at.by && { by: at.by }) });
    }, 160);
  };
  return (
    <div class="searchbox" role="search">
      <Icon shape="search" />
      <input
        ref={field}
        type="search"
        class="input"
        placeholder={t("search.placeholder")}
        aria-label={t("search.label")}
        defaultValue={value}
        onInput={(event) => search(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.currentTarget.value = "";
          event.currentTarget.blur();
          if (route.value.page === "search") goInstead({ page: "inbox", tab: "waiting", filters: {} });
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

function Filters({ at }: { at: InboxRoute }): JSX.Element {
  const [open, setOpen] = useState(false);
  const box = useAway<HTMLDivElement>(open ? () => setOpen(false) : undefined);
  const here = desk.value!;
  // Only when they are seen: there may be ten thousand rows, and each page of them draws this again.
  const tags = open ? [...new Set([...here.list.rows.values()].flatMap((row) => row.tags))].sort().slice(0, 60) : [];
  const set = (key: string, value: string): void => {
    const { [key]: _, ...rest } = at.filters;
    go({ ...at, filters: value ? { ...rest, [key]: value } : rest });
  };
  const pick = (key: string, name: string, choices: [value: string, words: string][]): JSX.Element => (
    <Field label={name}>
      {(ids) => (
        <select {...ids} class="input" value={at.filters[key] ?? ""} onChange={(event) => set(key, event.currentTarget.value)}>
          <option value="">{t("filter.any")}</option>
          {choices.map(([value, words]) => <option key={value} value={value}>{words}</option>)}
        </select>
      )}
    </Field>
  );
  const count = Object.keys(at.filters).length;
  const fine = offered("/v1/staff/conversations");
  return (
    <div class="filters" ref={box}>
      <Button look="plain tiny" icon="filter" label={t("filter.open")} aria-expanded={open} aria-pressed={count > 0} onClick={() => setOpen(!open)} />
      {open && (
        <div class="menu filter-menu" role="group" aria-label={t("filter.open")}>
          {pick("staff", t("filter.staff"), people.value.filter((one) => one.state === "active").map((one) => [one.name, one.display]))}
          {fine && pick("owner", t("filter.owner"), [["ai", t("who.ai")], ["queue", t("tab.waiting")], ["staff", t("who.person")]])}
          {pick("tag", t("filter.tag"), tags.map((tag) => [tag, tag]))}
          {fine && pick("rating", t("filter.rating"), [["up", t("rating.up")], ["down", t("rating.down")]])}
          {fine && pick("mood", t("filter.mood"), MOODS.map((mood) => [mood, t(`mood.${mood}`)]))}
          {fine && pick("unread", t("filter.read"), [["true", t("filter.unread")]])}
          {fine && pick("from", t("filter.since"), since(at.filters.from))}
        </div>
      )}
    </div>
  );
}

const DAY = 86_400_000;
const MOODS = ["positive", "neutral", "negative"] as const;

/** Choices of a beginning, in whole days; one that came with the address is among them. */
function since(chosen: string | undefined): [string, string][] {
  const today = new Date().setHours(0, 0, 0, 0);
  const choices: [string, string][] = [[String(today), t("filter.today")], [String(today - 6 * DAY), t("filter.week")], [String(today - 29 * DAY), t("filter.month")]];
  return chosen && !choices.some(([value]) => value === chosen) ? [...choices, [chosen, new Date(Number(chosen)).toLocaleDateString()]] : choices;
}

function FilterChips({ at }: { at: InboxRoute }): JSX.Element {
  const words = (key: string, value: string): string => {
    if (key === "staff") return nameOf(value);
    if (key === "rating") return value === "up" ? t("rating.up") : t("rating.down");
    if (key === "owner") return value === "ai" ? t("who.ai") : value === "queue" ? t("tab.waiting") : t("who.person");
    if (key === "mood") return known(`mood.${value}`) ?? value;
    if (key === "unread") return t("filter.unread");
    if (key === "from") return since(value).find(([one]) => one === value)?.[1] ?? value;
    return value;
  };
  return (
    <ul class="chips" aria-label={t("filter.open")}>
      {Object.entries(at.filters).map(([key, value]) => {
        const { [key]: _, ...rest } = at.filters;
        return (
          <li key={key}>
            <a class="tag blue" href={href({ ...at, filters: rest })} aria-label={t("filter.remove", { name: words(key, value) })}>
              <span class="cut" dir="auto">{words(key, value)}</span>
              <Icon shape="close" />
            </a>
          </li>
        );
      })}
    </ul>
  );
}

