// What is no chart: model versions, the busiest hours, questions without an answer.

import type { JSX } from "preact";
import type { ModelFigures, Mood, Numbers } from "../../contract";
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
            <th scope="col">{t("num.alone")}</th>
            <th scope="col">{t("num.mood_after")}</th>
            <th scope="col" class="n">{t("num.handoffs")}</th>
            <th scope="col" class="n" title={`${t("num.median")}, ${t("num.p95")}`}>{t("num.first_word")}</th>
            <th scope="col" class="n" title={`${t("num.median")}, ${t("num.p95")}`}>{t("num.whole")}</th>
          </tr>
        </thead>
        <tbody>
          {models.map((one) => (
            <tr key={`${one.model}${one.adapter}`}>
              <th scope="row" class="strong">{one.adapter ?? t("num.base")}<span class="dim small under">{one.model}</span></th>
              <td class="n">{number(one.replies)}</td>
              <td><Share part={one.up} rest={one.down} /></td>
              <td title={t("num.alone_of", { n: number(one.resolved_by_model + one.handoffs) })}><Share part={one.resolved_by_model} rest={one.handoffs} /></td>
              <td><MoodBar mood={one.mood} /></td>
              <td class="n">{number(one.handoffs)}</td>
              <td class="n">{took(one.first_ms.p50)}<span class="dim small under">{took(one.first_ms.p95)}</span></td>
              <td class="n">{took(one.total_ms.p50)}<span class="dim small under">{took(one.total_ms.p95)}</span></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A part of the whole, with how many the whole is. */
function Share({ part, rest }: { part: number; rest: number }): JSX.Element {
  if (part + rest === 0) return <span class="dim">–</span>;
  return <span class="row num"><span class="meter"><i style={{ width: `${share(part, rest) * 100}%` }} /></span>{percent(share(part, rest))} <span class="dim small">({number(part + rest)})</span></span>;
}

const MOODS = ["positive", "neutral", "negative"] as const;

/** Three parts of one bar; how many each are is said, for those who tell no green from red. */
function MoodBar({ mood }: { mood: Record<Mood, number> }): JSX.Element {
  const all = mood.positive + mood.neutral + mood.negative;
  if (all === 0) return <span class="dim">–</span>;
  const words = t("num.mood_of", { positive: number(mood.positive), neutral: number(mood.neutral), negative: number(mood.negative) });
  return (
    <span class="row num" role="img" aria-label={words} title={words}>
      <span class="moods">{MOODS.map((one) => mood[one] > 0 && <i key={one} class={one} style={{ flexGrow: mood[one] }} />)}</span>
      {percent(mood.negative / all)}
    </span>
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
