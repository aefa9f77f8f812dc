// Base, the version that serves and the adapter side by side, each with its interval, beside the trivial answer.

import type { JSX } from "preact";
import { known, number, t } from "../../i18n";
import { href } from "../../state/router";
import { Icon } from "../../ui/icon";
import { type HeldOut, questionIn, type Score, type Scorecard, type Suite } from "../../training";

export function ScorecardView({ card }: { card: Scorecard }): JSX.Element {
  const examples = card.suites.flatMap((suite) => suite.details?.more?.examples ?? []);
  return (
    <>
      <p class={card.passed ? "ok row" : "fault row"}><Icon shape={card.passed ? "check" : "warn"} />{card.passed ? t("score.passed") : t("score.failed")}</p>
      {card.reasons.length > 0 && <ul class="reasons small">{card.reasons.map((one) => <li key={one}>{one}</li>)}</ul>}
      <div class="suites">{card.suites.map((suite, n) => <SuiteView key={n} suite={suite} current={card.current} />)}</div>
      {examples.length > 0 && (
        <section class="held-out">
          <h3>{t("score.examples")}</h3>
          <p class="small dim">{t("score.examples_lead")}</p>
          <ol>{examples.map((one, n) => <li key={n}><HeldOutView one={one} /></li>)}</ol>
        </section>
      )}
    </>
  );
}

/** One question, and what a person, the base and the adapter say. */
function HeldOutView({ one }: { one: HeldOut }): JSX.Element {
  const asked = one.question ? questionIn(one.question) : undefined;
  const said: [who: string, text: string | null | undefined, look: string][] = [
    [t("score.person"), one.reference, "person"],
    [t("score.base"), one.base, ""],
    [t("score.adapter"), one.adapter, "adapter"],
  ];
  return (
    <article class="held">
      {asked && (
        <header class="row">
          <p class="strong grow plain" dir="auto">{asked}</p>
          {one.conversation && <a class="small" href={href({ page: "inbox", tab: "all", conv: one.conversation, filters: {} })}>{t("train.conversation")}</a>}
        </header>
      )}
      <dl>
        {said.map(([who, text, look]) => text !== null && text !== undefined && <div key={who} class={look}><dt>{who}</dt><dd class="plain" dir="auto">{text || "–"}</dd></div>)}
      </dl>
      {one.question && asked !== one.question.trim() && <details class="fold small"><summary>{t("score.given")}</summary><p class="plain dim" dir="auto">{one.question}</p></details>}
    </article>
  );
}

function SuiteView({ suite, current }: { suite: Suite; current: string | undefined }): JSX.Element {
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
          <span>{who === "current" && current ? t("score.current_of", { name: current }) : t(`score.${who}`)}</span>
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
