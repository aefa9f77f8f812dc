// The trials of a search over recipes: which values were tried, what each came to, and which one the run is made of.

import type { JSX } from "preact";
import { number, span, t } from "../../i18n";
import { Icon } from "../../ui/icon";
import { ranked, type Trial } from "../../training";

/** `train.lr` is `lr` where no other searched field ends so. */
function heads(keys: string[]): string[] {
  const last = keys.map((key) => key.slice(key.lastIndexOf(".") + 1));
  return last.map((name, n) => (last.filter((other) => other === name).length > 1 ? keys[n]! : name));
}

/** A drawn learning rate has more digits than anybody reads; a seed has all of its own. */
const said = (value: unknown): string => (typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(3))) : Array.isArray(value) ? value.join(", ") : String(value ?? "–"));

export function TrialsView({ trials, over }: { trials: Trial[]; over: boolean }): JSX.Element {
  const keys = [...new Set(trials.flatMap((one) => Object.keys(one.values)))].sort();
  const names = heads(keys);
  const rows = ranked(trials);
  return (
    <section class="card">
      <header><h2>{t("trials.title")}</h2></header>
      <div class="in stack">
        <p class="small dim">{t(over ? "trials.lead" : "trials.lead_on")}</p>
        <div class="scrollx" tabIndex={0} role="region" aria-label={t("trials.title")}>
          <table class="table stacks">
            <thead>
              <tr>
                <th scope="col">{t("trials.trial")}</th>
                {keys.map((key, n) => <th scope="col" class="n" key={key} title={key}>{names[n]}</th>)}
                <th scope="col" class="n">{t("run.dev_loss")}</th>
                <th scope="col" class="n">{t("run.time")}</th>
                <th scope="col">{t("trials.result")}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((one, n) => (
                <tr key={one.number}>
                  <th scope="row" class="num">#{one.number}</th>
                  {keys.map((key, at) => <td class="n" key={key} data-head={names[at]}>{said(one.values[key])}</td>)}
                  <td class="n" data-head={t("run.dev_loss")}>{one.dev_loss === null || one.dev_loss === undefined ? "–" : number(one.dev_loss, 3)}</td>
                  <td class="n dim" data-head={t("run.time")}>{span(one.seconds * 1000)}</td>
                  <td><Result one={one} best={n === 0} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </section>
  );
}

function Result({ one, best }: { one: Trial; best: boolean }): JSX.Element {
  if (one.fault) return <span class="small">{t("trials.lost", { why: one.fault })}</span>;
  if (one.pruned) return <span class="dim" title={t("trials.pruned_why")}>{t("trials.pruned")}<span class="sr">{t("trials.pruned_why")}</span></span>;
  return best ? <span class="tag good"><Icon shape="check" />{t("trials.best")}</span> : <span class="dim">{t("trials.worse")}</span>;
}
