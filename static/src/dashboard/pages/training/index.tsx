// Training: what was learnt, what is being learnt, and which version answers.

import "../../style/pages.css";
import type { JSX } from "preact";
import { t, type Word } from "../../i18n";
import { offers } from "../../state/offers";
import { href, type Route, route } from "../../state/router";
import { Empty, Spin } from "../../ui/kit";
import { Compare } from "./compare";
import { NewRun } from "./new";
import { RunPage } from "./run";
import { Runs } from "./runs";
import { Versions } from "./versions";

type View = Extract<Route, { page: "training" }>["view"];
const TABS: { view: View; word: Word; needs: string }[] = [
  { view: "runs", word: "train.runs", needs: "/v1/staff/runs" },
  { view: "models", word: "train.versions", needs: "/v1/staff/adapters" },
  { view: "compare", word: "train.compare", needs: "/v1/staff/compare" },
];

export default function TrainingPage(): JSX.Element {
  const at = route.value;
  const known = offers.value;
  if (at.page !== "training") return <div class="page" />;
  if (!known) return <div class="empty"><Spin /></div>;
  const tabs = TABS.filter((one) => known.has(one.needs));
  if (!tabs.length) return <div class="page"><Empty icon="train" title={t("train.absent")}>{t("train.absent_hint")}</Empty></div>;
  const view = at.view === "new" || tabs.some((one) => one.view === at.view) ? at.view : tabs[0]!.view;
  return (
    <div class="page">
      <div class="page-in">
        <header class="page-head">
          <h1>{t("nav.training")}</h1>
          <nav class="tabs" aria-label={t("nav.training")}>
            {tabs.map((one) => <a class="tab" key={one.view} href={href({ page: "training", view: one.view })} aria-current={one.view === view ? "page" : undefined}>{t(one.word)}</a>)}
          </nav>
          {known.has("/v1/staff/runs") && <a class="btn primary" href={href({ page: "training", view: "new" })} aria-current={view === "new" ? "page" : undefined}>{t("train.new")}</a>}
        </header>
        {view === "new" ? <NewRun /> : view === "models" ? <Versions /> : view === "compare" ? <Compare /> : at.run ? <RunPage id={at.run} key={at.run} /> : <Runs />}
      </div>
    </div>
  );
}
