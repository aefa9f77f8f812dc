// The inbox: list, conversation, panel; on a phone one behind the other.

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../../i18n";
import { desk } from "../../state/app";
import type { View } from "../../state/list";
import { href, type Route, route } from "../../state/router";
import { panelOpen } from "../../state/signals";
import { Empty } from "../../ui/kit";
import { ListColumn } from "./list";
import { SearchColumn, stepFinds } from "./search";
import { Conversation } from "./conversation";
import { Panel } from "./panel";
import { Erasing } from "./privacy";

type Here = Extract<Route, { page: "inbox" | "search" }>;

export function viewOf(at: Extract<Route, { page: "inbox" }>): View {
  const { tag, staff, owner, rating, mood, unread, from, to } = at.filters;
  const filters = { ...(tag && { tag }), ...(staff && { staff }), ...(from && { from: Number(from) }), ...(to && { to: Number(to) }) };
  return {
    tab: at.tab,
    ...filters,
    ...((owner === "ai" || owner === "queue" || owner === "staff") && { owner }),
    ...((rating === "up" || rating === "down") && { rating }),
    ...((mood === "positive" || mood === "neutral" || mood === "negative") && { mood }),
    ...(unread === "true" && { unread: true }),
  };
}

/** Where "back" leads from a conversation. */
export const backFrom = (at: Here): string => href(at.page === "inbox" ? { page: "inbox", tab: at.tab, filters: at.filters } : { page: "search", q: at.q, ...(at.by && { by: at.by }) });

export function Inbox({ at }: { at: Here }): JSX.Element {
  const here = desk.value!;
  const view = at.page === "inbox" ? viewOf(at) : undefined;
  useEffect(() => {
    if (view) here.show(view);
  }, [here, JSON.stringify(view)]);
  useEffect(() => here.visit(at.conv), [here, at.conv]);
  useEffect(() => () => here.visit(undefined), [here]);
  const depth = at.conv === undefined ? "list" : panelOpen.value ? "panel" : "talk";
  return (
    <div class="inbox" data-depth={depth}>
      {at.page === "inbox" ? <ListColumn at={at} /> : <SearchColumn at={at} key="search" />}
      {at.conv === undefined ? (
        <section class="talk" aria-label={t("talk.label")}>
          <Empty icon="inbox" title={t("talk.none")}>
            {t("talk.none_hint")} <kbd>j</kbd> <kbd>k</kbd> <kbd>?</kbd>
          </Empty>
        </section>
      ) : (
        <>
          <Conversation back={backFrom(at)} mark={at.page === "search" ? at.seq : undefined} key={at.conv} />
          {panelOpen.value && <Panel />}
          <Erasing />
        </>
      )}
    </div>
  );
}

/** Where j and k lead: through the list, or through what was found. */
export function step(by: number): Route | undefined {
  const at = route.value;
  if (at.page === "search") return stepFinds(at, by);
  const conv = at.page === "inbox" ? desk.value?.list.step(at.conv, by) : undefined;
  return at.page === "inbox" && conv !== undefined ? { ...at, conv } : undefined;
}
