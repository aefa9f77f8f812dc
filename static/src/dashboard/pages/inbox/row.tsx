// One conversation in a list.

import type { JSX } from "preact";
import type { Row } from "../../contract";
import { ago, span, t, tn } from "../../i18n";
import { me, nameOf, shopperName } from "../../state/app";
import { run } from "../../state/list";
import { Avatar, minute } from "../../ui/kit";
import { Icon } from "../../ui/icon";

export const ROW_HEIGHT = 72;

export function byWord(row: Row): string {
  const by = row.preview?.by;
  return by === "ai" ? `${t("who.ai")}: ` : by === "staff" ? `${t("who.staff")}: ` : "";
}

export function ListRow({ row, address, current }: { row: Row; address: string; current: boolean }): JSX.Element {
  const now = minute.value;
  const waits = row.waiting_since !== undefined && row.status === "open";
  // Why it stands before those who have waited longer.
  const raised = waits ? run(row) : 0;
  return (
    <a class={`item${row.unread ? " unread" : ""}`} href={address} aria-current={current ? "true" : undefined}>
      <Avatar name={row.shopper.name || row.shopper.email} />
      <span class="item-top">
        <span class="item-name cut" dir="auto">{shopperName(row.shopper)}</span>
        {row.shopper.blocked && <span class="tag bad">{t("inbox.blocked")}</span>}
        {waits ? (
          <span class="tag wait num" title={t("inbox.waits_since")}>
            <Icon shape="clock" />
            {span(now - row.waiting_since!)}
          </span>
        ) : (
          <time class="item-at num" dateTime={new Date(row.updated_at).toISOString()}>{ago(row.updated_at, now)}</time>
        )}
      </span>
      <span class="item-mid">
        <span class="item-text cut" dir="auto">{row.preview ? byWord(row) + row.preview.text : t("inbox.nothing_said")}</span>
        {row.unread > 0 && <span class="item-unread num" aria-label={tn("inbox.unread", row.unread)}>{row.unread > 99 ? "99+" : row.unread}</span>}
      </span>
      <span class="item-low">
        <OwnerSign row={row} />
        {row.tags.slice(0, 2).map((tag) => <span class="tag cut" key={tag} dir="auto">{tag}</span>)}
        {row.tags.length > 2 && <span class="tag">+{row.tags.length - 2}</span>}
        <span class="grow" />
        {raised > 0 ? (
          <span class="tag bad" title={tn("inbox.unhappy_why", raised)}><span aria-hidden="true">{tn("inbox.unhappy", raised)}</span><span class="sr">{tn("inbox.unhappy_why", raised)}</span></span>
        ) : row.mood === "negative" && (
          <span class="mood negative" title={t("mood.negative")}><span class="sr">{t("mood.negative")}</span></span>
        )}
        {row.mood === "positive" && <span class="mood positive" title={t("mood.positive")}><span class="sr">{t("mood.positive")}</span></span>}
        {row.rating && <span class={`thumb ${row.rating}`} title={t(`rating.${row.rating}`)}><Icon shape={row.rating === "up" ? "up" : "thumbdown"} /><span class="sr">{t(`rating.${row.rating}`)}</span></span>}
        {row.viewers.length > 0 && <span class="eyes" title={t("inbox.viewed_by", { names: row.viewers.map(nameOf).join(", ") })}><Icon shape="eye" /><span class="sr">{t("inbox.viewed_by", { names: row.viewers.map(nameOf).join(", ") })}</span></span>}
      </span>
    </a>
  );
}

/** Who answers. */
export function OwnerSign({ row }: { row: Row }): JSX.Element {
  if (row.status === "resolved") return <span class="owner"><Icon shape="check" />{t("inbox.is_resolved")}</span>;
  if (row.owner === "ai") return <span class="owner"><Icon shape="spark" />{t("who.ai")}</span>;
  if (row.owner === "queue") return <span class="owner hot"><Icon shape="hand" />{t("inbox.wants_person")}</span>;
  return <span class="owner cut"><Icon shape="person" /><span class="cut" dir="auto">{row.staff === me.value?.name ? t("who.you") : nameOf(row.staff)}</span></span>;
}
