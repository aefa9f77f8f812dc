// Base, the version that serves and the adapter side by side, each with its interval, beside the trivial answer.

import type { JSX } from "preact";
import { known, number, t } from "../../i18n";
import { Icon } from "../../ui/icon";
import type { Score, Scorecard, Suite } from "../../training";

export function ScorecardView({ card }: { card: Scorecard }): JSX.Element {
  return (
    <>
      <p class={card.passed ? "ok row" : "fault row"}><Icon shape={card.passed ? "check" : "warn"} />{card.passed ? t("score.passed") : t("score.failed")}</p>
      {card.reasons.length > 0 && <ul class="reasons small">{card.reasons.map((one) => <li key={one}>{one}</li>)}</ul>}
      <div class="suites">{card.suites.map((suite) => <SuiteView key={suite.name} suite={suite} />)}</div>
    </>
  );
}

function SuiteView({ suite }: { suite: Suite }): JSX.Element {
  const rows = (["trivial", "base", "current", "adapter"] as const).flatMap((who): [typeof who, Score][] => (suite[who] ? [[who, suite[who]]] : []));
  const low = Math.min(...rows.map(([, score]) => score.low));
  const high = Math.max(...rows.map(([, score]) => score.high));
  const room = (high - low || 1) * 0.08;
  const place = (value: number): number => ((value - low + room) / (high - low + 2 * room)) * 100;
  return (
    <section class="suite">
      <h3>{known(`suite.${suite.name}`) ?? suite.name.replaceAll("_", " ")} <span class="dim small">{suite.measure} · {suite.direction === "higher" ? t("score.higher") : t("score.lower")} · {t("score.rows", { n: number(suite.rows) })}</span></h3>
      {rows.map(([who, score]) => (
        <div class={`score ${who}`} key={who}>
          <span>{t(`score.${who}`)}</span>
          <span class="track" aria-hidden="true">
            <span class="span" style={{ left: `${place(score.low)}%`, width: `${place(score.high) - place(score.low)}%` }} />
            <span class="point" style={{ left: `${place(score.value)}%` }} />
          </span>
          <span class="num value">{number(score.value, 3)} <span class="dim">{number(score.low, 3)}–{number(score.high, 3)}</span></span>
        </div>
      ))}
    </section>
  );
}
