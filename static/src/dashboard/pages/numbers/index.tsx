// How the desk does: resolution, hand-offs, times, ratings, mood, hours, and what nobody could answer.

import "../../style/pages.css";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { download, get, query } from "../../api";
import type { Figures, Numbers, Times } from "../../contract";
import { number, percent, shortDay, t, took } from "../../i18n";
import { complain, wordsOf } from "../../state/app";
import { Chart, type Series, Spark } from "../../ui/chart";
import { Button, Empty, Spin } from "../../ui/kit";
import { dayOf, isEmpty, share, span } from "./days";
import { Hours, Models, Unanswered } from "./tables";

const RANGES = [7, 30, 90, 365] as const;

export default function NumbersPage(): JSX.Element {
  const [days, setDays] = useState<number>(30);
  const [data, setData] = useState<Numbers | undefined>();
  const [fault, setFault] = useState("");
  const asked = span(days, new Date());
  useEffect(() => {
    let mine = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = (): void => {
      get<Numbers>(query("/v1/staff/numbers", { ...asked })).then(
        (one) => {
          if (!mine) return;
          setData(one);
          setFault("");
          // The server still counts what is old.
          if (!one.ready) timer = setTimeout(read, 1_500);
        },
        (problem) => mine && setFault(wordsOf(problem)),
      );
    };
    read();
    return () => {
      mine = false;
      clearTimeout(timer);
    };
  }, [days]);
  return (
    <div class="page">
      <div class="page-in">
        <header class="page-head">
          <h1>{t("nav.numbers")}</h1>
          <div class="tabs" role="group" aria-label={t("num.range")}>
            {RANGES.map((one) => <button type="button" class="tab" key={one} aria-current={one === days ? "true" : undefined} onClick={() => setDays(one)}>{t("num.days", { n: one })}</button>)}
          </div>
          <Button icon="download" onClick={() => void download(query("/v1/staff/numbers.csv", { ...asked }), `days-${asked.from}-${asked.to}.csv`).catch(complain)}>CSV</Button>
        </header>
        {fault ? <p class="fault" role="alert">{fault}</p> : !data ? <div class="empty"><Spin /></div> : isEmpty(data.total) ? <div class="card"><Empty icon="chart" title={t("num.none")}>{t("num.none_hint")}</Empty></div> : <All data={data} file={(table) => void download(query("/v1/staff/numbers.csv", { ...asked, table }), `${table}-${asked.from}-${asked.to}.csv`).catch(complain)} />}
      </div>
    </div>
  );
}

function All({ data, file }: { data: Numbers; file: (table: "models" | "questions") => void }): JSX.Element {
  const x = data.days.map((one) => dayOf(one.day));
  const each = (read: (one: Figures) => number | null | undefined): (number | null)[] => data.days.map((one) => read(one) ?? null);
  const days = { x, sayX: (at: number): string => shortDay(at * 1000), days: true };
  const count = (v: number): string => (Number.isInteger(v) ? number(v) : "");
  const times = (read: (one: Figures) => Times): Series[] => [{ name: t("num.median"), color: 1, values: each((d) => read(d).p50) }, { name: t("num.p95"), color: 4, faint: true, values: each((d) => read(d).p95) }];
  return (
    <>
      {!data.ready && <p class="ok" role="status">{t("num.counting")}</p>}
      <Tiles data={data} />
      <div class="two">
        <Card title={t("num.per_day")}>
          <Chart label={t("num.per_day")} {...days} say={count} series={[{ name: t("num.conversations"), color: 1, kind: "area", values: each((d) => d.conversations) }, { name: t("num.handoffs"), color: 3, values: each((d) => d.handoffs) }]} />
        </Card>
        <Card title={t("num.resolved")}>
          <Chart label={t("num.resolved")} {...days} stacked say={count} series={[{ name: t("num.by_model"), color: 1, kind: "bars", values: each((d) => d.resolved_by_model) }, { name: t("num.by_staff"), color: 4, kind: "bars", values: each((d) => d.resolved_by_staff) }]} />
        </Card>
        <Card title={t("num.mood")}>
          <Chart label={t("num.mood")} {...days} stacked say={count} series={[{ name: t("mood.positive"), color: 2, kind: "bars", values: each((d) => d.mood.positive) }, { name: t("mood.neutral"), color: 5, kind: "bars", values: each((d) => d.mood.neutral) }, { name: t("mood.negative"), color: 3, kind: "bars", values: each((d) => d.mood.negative) }]} />
        </Card>
        <Card title={t("num.ratings")}>
          <Chart label={t("num.ratings")} {...days} stacked say={count} series={[{ name: t("rating.up"), color: 2, kind: "bars", values: each((d) => d.up) }, { name: t("rating.down"), color: 3, kind: "bars", values: each((d) => d.down) }]} />
        </Card>
        <Card title={t("num.first_word")}>
          <Chart label={t("num.first_word")} {...days} say={took} series={times((d) => d.first_ms)} />
        </Card>
        <Card title={t("num.whole")}>
          <Chart label={t("num.whole")} {...days} say={took} series={times((d) => d.total_ms)} />
        </Card>
      </div>
      <Card title={t("num.models")} file={data.models.length ? () => file("models") : undefined}><Models models={data.models} /></Card>
      <div class="two">
        <Card title={t("num.hours")}><Hours hours={data.hours} /></Card>
        <Card title={t("num.unanswered")} file={data.unanswered.length ? () => file("questions") : undefined}><Unanswered groups={data.unanswered} /></Card>
      </div>
      <details class="fold counted">
        <summary>{t("num.how")}</summary>
        <ul class="reasons small">
          {(["num.how_resolved", "num.how_handoffs", "num.how_times", "num.how_questions", "num.how_versions", "num.how_kept"] as const).map((word) => <li key={word}>{t(word)}</li>)}
        </ul>
      </details>
    </>
  );
}

function Card({ title, file, children }: { title: string; file?: (() => void) | undefined; children: JSX.Element }): JSX.Element {
  return <section class="card"><header><h2>{title}</h2>{file && <Button look="plain tiny" icon="download" label={t("num.file", { name: title })} onClick={file} />}</header><div class="in">{children}</div></section>;
}

function Tiles({ data }: { data: Numbers }): JSX.Element {
  const { total, days } = data;
  const tile = (name: string, value: string, sub: string, values: number[], color: 1 | 2 | 3 | 4 = 1): JSX.Element => (
    <div class="card tile">
      <dt>{name}</dt>
      <dd class="value">{value}</dd>
      <dd class="sub">{sub}</dd>
      <Spark values={values} color={color} />
    </div>
  );
  const resolved = total.resolved_by_model + total.resolved_by_staff;
  const part = (a: number, b: number): string => (a + b ? percent(a / (a + b)) : "–");
  return (
    <dl class="tiles">
      {tile(t("num.by_model_share"), part(total.resolved_by_model, total.resolved_by_staff), t("num.of_resolved", { n: number(resolved), quiet: number(total.resolved_quietly) }), days.map((d) => share(d.resolved_by_model, d.resolved_by_staff)))}
      {tile(t("num.conversations"), number(total.conversations), t("num.messages", { n: number(total.messages) }), days.map((d) => d.conversations))}
      {tile(t("num.handoffs"), number(total.handoffs), total.conversations ? t("num.of_conversations", { n: percent(total.handoffs / total.conversations) }) : "", days.map((d) => d.handoffs), 3)}
      {tile(t("num.first_word"), took(total.first_ms.p50), t("num.p95_is", { n: took(total.first_ms.p95) }), days.map((d) => d.first_ms.p50 ?? 0))}
      {tile(t("num.good"), part(total.up, total.down), t("num.of_ratings", { n: number(total.up + total.down) }), days.map((d) => share(d.up, d.down)), 2)}
      {tile(t("num.staff_wait"), took(total.staff_wait_ms.p50), t("num.p95_is", { n: took(total.staff_wait_ms.p95) }), days.map((d) => d.staff_wait_ms.p50 ?? 0), 4)}
    </dl>
  );
}
