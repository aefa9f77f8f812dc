// All runs, newest first.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../../api";
import { ago, span, t } from "../../i18n";
import { complain, nameOf } from "../../state/app";
import { href } from "../../state/router";
import { Empty, minute, Spin } from "../../ui/kit";
import { isForeign, isOver, type Run } from "../../training";
import { Gathered } from "./gathered";

export function Runs(): JSX.Element {
  const [runs, setRuns] = useState<Run[] | undefined>();
  const live = runs?.some((one) => !isOver(one.state)) === true;
  useEffect(() => {
    const read = (): void => void get<{ runs: Run[] }>("/v1/staff/runs").then((one) => setRuns(one.runs), (fault) => (setRuns((old) => old ?? []), complain(fault)));
    read();
    const timer = setInterval(read, live ? 4_000 : 20_000);
    return () => clearInterval(timer);
  }, [live]);
  if (!runs) return <div class="empty"><Spin /></div>;
  if (!runs.length) return <><Gathered /><div class="card"><Empty icon="train" title={t("train.none")}>{t("train.none_hint")} <a href={href({ page: "training", view: "new" })}>{t("train.new")}</a></Empty></div></>;
  return (
    <>
    <Gathered />
    <section class="card">
      <div class="in scrollx" tabIndex={0} role="region" aria-label={t("train.runs")}>
        <table class="table stacks">
          <thead><tr><th scope="col">{t("train.name")}</th><th scope="col">{t("train.state")}</th><th scope="col">{t("train.published")}</th><th scope="col">{t("train.by")}</th><th scope="col" class="n">{t("train.took")}</th><th scope="col" class="n">{t("train.begun")}</th></tr></thead>
          <tbody>
            {runs.map((one) => (
              <tr key={one.id}>
                <th scope="row"><a class="strong" href={href({ page: "training", view: "runs", run: one.id })}>{one.name}</a> <span class="mono dim">{one.id.slice(-6)}</span></th>
                <td><RunSign run={one} /></td>
                <td data-head={t("train.published")}>{one.published ? <span class="tag good">{one.published}</span> : <span class="dim">–</span>}</td>
                <td data-head={t("train.by")}>{byOf(one)}</td>
                <td class="n" data-head={t("train.took")}>{one.started_at ? span((one.ended_at ?? minute.value) - one.started_at) : "–"}</td>
                <td class="n dim" data-head={t("train.begun")}>{ago(one.created_at, minute.value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
    </>
  );
}

/** Who started it. */
export const byOf = (run: Run): string => (isForeign(run) ? t("run.cli") : nameOf(run.by));

export function RunSign({ run }: { run: Run }): JSX.Element {
  return <span class={`state ${run.state}`}>{t(`run.${run.state}`)}</span>;
}
