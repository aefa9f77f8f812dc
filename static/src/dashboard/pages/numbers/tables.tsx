// What is no chart: model versions, the busiest hours, questions without an answer.

import type { JSX } from "preact";
import type { ModelFigures, Numbers } from "../../contract";
import { number, percent, t, took, weekday } from "../../i18n";
import { href } from "../../state/router";
import { share } from "./days";

export function Models({ models }: { models: ModelFigures[] }): JSX.Element {
  if (!models.length) return <p class="dim">{t("num.no_replies")}</p>;
  return (
    <div class="scrollx" tabIndex={0} role="region" aria-label={t("num.models")}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{t("num.version")}</th>
            <th scope="col" class="n">{t("num.replies")}</th>
            <th scope="col">{t("num.good")}</th>
            <th scope="col" class="n">{t("num.handoffs")}</th>
            <th scope="col" class="n">{t("num.first_word")}</th>
            <th scope="col" class="n">{t("num.whole")}</th>
          </tr>
        </thead>
        <tbody>
          {models.map((one) => (
            <tr key={`${one.model}${one.adapter}`}>
              <th scope="row" class="strong">{one.adapter ?? t("num.base")} <span class="dim small">{one.model}</span></th>
              <td class="n">{number(one.replies)}</td>
              <td>{one.up + one.down > 0 ? <span class="row num"><span class="meter"><i style={{ width: `${share(one.up, one.down) * 100}%` }} /></span>{percent(share(one.up, one.down))} <span class="dim small">({number(one.up + one.down)})</span></span> : <span class="dim">–</span>}</td>
              <td class="n">{number(one.handoffs)}</td>
              <td class="n">{took(one.first_ms.p50)} <span class="dim small">/ {took(one.first_ms.p95)}</span></td>
              <td class="n">{took(one.total_ms.p50)} <span class="dim small">/ {took(one.total_ms.p95)}</span></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Conversations of a group that are linked. */
const SHOWN = 5;

/** Messages by hour of the week: the darker, the more. */
export function Hours({ hours }: { hours: Numbers["hours"] }): JSX.Element {
  const most = Math.max(1, ...hours.map(([, , n]) => n));
  const at = new Map(hours.map(([day, hour, n]) => [day * 24 + hour, n]));
  const busiest = hours.reduce<[number, number, number] | undefined>((best, one) => (!best || one[2] > best[2] ? one : best), undefined);
  return (
    <figure>
      <div class="heat" role="img" aria-label={busiest ? t("num.busiest", { day: weekday(busiest[0]), hour: `${busiest[1]}:00`, n: number(busiest[2]) }) : t("num.hours")}>
        <span />
        {Array.from({ length: 24 }, (_, hour) => <span class="hour num" key={hour}>{hour % 6 === 0 ? hour : ""}</span>)}
        {Array.from({ length: 7 }, (_, day) => [
          <span class="day" key={`d${day}`}>{weekday(day)}</span>,
          ...Array.from({ length: 24 }, (_, hour) => {
            const n = at.get(day * 24 + hour) ?? 0;
            return <span class="cell" key={hour} title={`${weekday(day)} ${hour}:00 · ${number(n)}`}><i style={{ opacity: n ? 0.12 + 0.88 * (n / most) : 0 }} /></span>;
          }),
        ])}
      </div>
      {busiest && <figcaption class="small dim">{t("num.busiest", { day: weekday(busiest[0]), hour: `${busiest[1]}:00`, n: number(busiest[2]) })}</figcaption>}
    </figure>
  );
}

export function Unanswered({ groups }: { groups: Numbers["unanswered"] }): JSX.Element {
  if (!groups.length) return <p class="dim">{t("num.all_answered")}</p>;
  return (
    <ul class="questions">
      {groups.map((one) => (
        <li key={one.text}>
          <span class="n">{number(one.count)}×</span>
          <span class="grow" dir="auto">{one.text}</span>
          <span class="where small">
            {one.convs.slice(0, SHOWN).map((conv, n) => <a key={conv} href={href({ page: "inbox", tab: "all", conv, filters: {} })} aria-label={one.convs.length === 1 ? `${t("num.look")}: ${one.text}` : t("num.look_at", { n: n + 1, text: one.text })}>{one.convs.length === 1 ? t("num.look") : n + 1}</a>)}
          </span>
        </li>
      ))}
    </ul>
  );
}
