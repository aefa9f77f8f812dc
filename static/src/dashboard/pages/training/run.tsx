// One run: its losses as they are measured, its verdict, what it was made from.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { download, get, post } from "../../api";
import { fullTime, number, percent, span, t } from "../../i18n";
import { complain, wordsOf } from "../../state/app";
import { href } from "../../state/router";
import { Chart } from "../../ui/chart";
import { Button, Empty, Sheet, Spin } from "../../ui/kit";
import { isForeign, isOver, merge, type Run, type RunDetails, searches, type StepLog, thin } from "../../training";
import { ReportView } from "./report";
import { RunRows } from "./rows";
import { byOf, RunSign } from "./runs";
import { ScorecardView } from "./scorecard";
import { TrialsView } from "./trials";

const POINTS = 400;
const FOREIGN_MS = 10_000;
const TRIALS_MS = 10_000;

export function RunPage({ id }: { id: string }): JSX.Element {
  const [details, setDetails] = useState<RunDetails | undefined>();
  const [run, setRun] = useState<Run | undefined>();
  const [steps, setSteps] = useState<StepLog[]>([]);
  /** Why there is nothing to show. */
  const [fault, setFault] = useState("");
  /** Counts up when the stream is to be read again from its beginning. */
  const [looks, setLooks] = useState(0);
  const path = `/v1/staff/runs/${encodeURIComponent(id)}`;
  const state = run?.state;
  const read = (): Promise<void> => get<RunDetails>(path).then((one) => (setDetails(one), setRun(one.run)));
  // The verdict and the files come with the end of a stage, the trials of a search one after the other.
  useEffect(() => void read().catch((why) => (complain(why), setFault(wordsOf(why)))), [id, state]);
  const searching = state === "training" && details !== undefined && searches(details);
  useEffect(() => {
    if (!searching) return;
    // The next look may succeed: while the server starts again nobody has to be told each time.
    const timer = setInterval(() => void read().catch(() => undefined), TRIALS_MS);
    return () => clearInterval(timer);
  }, [id, searching]);
  useEffect(() => {
    const stream = new EventSource(`${path}/events`);
    let waiting: StepLog[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = (): void => {
      timer = undefined;
      const fresh = waiting;
      waiting = [];
      setSteps((old) => merge(old, fresh));
    };
    stream.addEventListener("step", (event) => {
      waiting.push(JSON.parse((event as MessageEvent<string>).data) as StepLog);
      timer ??= setTimeout(flush, 100);
    });
    stream.addEventListener("run", (event) => {
      const now = JSON.parse((event as MessageEvent<string>).data) as Run;
      setRun(now);
      if (isOver(now.state)) stream.close();
    });
    return () => {
      clearTimeout(timer);
      stream.close();
    };
  }, [id, looks]);
  // Of a run that the command line makes nothing is told by itself.
  useEffect(() => {
    if (!run || isOver(run.state) || !isForeign(run)) return;
    const timer = setInterval(() => setLooks((n) => n + 1), FOREIGN_MS);
    return () => clearInterval(timer);
  }, [id, state]);
  if (fault && !run) return <div class="card"><Empty icon="train" title={fault} /></div>;
  if (!run || !details) return <div class="empty"><Spin /></div>;
  return (
    <>
      <RunHead run={run} path={path} onRun={(now) => (setRun(now), setLooks((n) => n + 1))} />
      {run.fault && <div class="fault"><p class="strong">{t("run.fault")}</p><pre class="plain small">{run.fault}</pre></div>}
      <Progress run={run} last={steps.at(-1) ?? details.last ?? undefined} steps={steps} />
      {details.trials.length > 0 && <TrialsView trials={details.trials} over={details.artefacts.includes("adapter_model.safetensors")} />}
      {details.scorecard && <section class="card"><header><h2>{t("score.title")}</h2></header><div class="in"><ScorecardView card={details.scorecard} /></div></section>}
      {run.state !== "preparing" && <section class="card"><div class="in"><RunRows id={run.id} title={t("run.rows")} /></div></section>}
      <div class="two">
        {details.report && <section class="card"><header><h2>{t("train.data")}</h2></header><div class="in"><ReportView report={details.report} /></div></section>}
        <section class="card">
          <header><h2>{t("run.files")}</h2></header>
          <div class="in stack">
            {details.artefacts.length > 0 ? <ul class="row wrap">{details.artefacts.map((file) => <li key={file}><Button look="tiny" icon="download" onClick={() => void download(`${path}/artefacts/${encodeURIComponent(file)}`, file).catch(complain)}>{file}</Button></li>)}</ul> : <p class="dim">{t("run.no_files")}</p>}
            <details class="fold"><summary>{t("run.recipe")}</summary><pre class="log" tabIndex={0}>{JSON.stringify(details.recipe, null, 2)}</pre></details>
            <Log path={path} key={run.state} />
          </div>
        </section>
      </div>
    </>
  );
}

function RunHead({ run, path, onRun }: { run: Run; path: string; onRun: (now: Run) => void }): JSX.Element {
  const [asking, setAsking] = useState(false);
  const act = (what: "cancel" | "pause" | "resume"): void => void post<Run>(`${path}/${what}`).then(onRun, complain);
  const mine = !isForeign(run);
  return (
    <div class="row wrap">
      <div class="grow">
        <h2 class="row">{run.name} <span class="mono dim">{run.id.slice(-6)}</span> <RunSign run={run} /></h2>
        <p class="small dim">{t("run.by", { name: byOf(run), time: fullTime(run.created_at) })}{run.published ? ` · ${t("run.published", { name: run.published })}` : ""}</p>
      </div>
      {run.published && <a class="btn" href={href({ page: "training", view: "models" })}>{t("train.versions")}</a>}
      {mine && run.state === "training" && <Button icon="pause" onClick={() => act("pause")}>{t("run.pause")}</Button>}
      {mine && (run.state === "paused" || run.state === "failed") && <Button look="primary" icon="play" onClick={() => act("resume")}>{t("run.resume")}</Button>}
      {mine && !isOver(run.state) && run.state !== "preparing" && <Button look="danger" icon="close" onClick={() => setAsking(true)}>{t("run.cancel")}</Button>}
      {asking && (
        <Sheet title={t("run.cancel_title")} onClose={() => setAsking(false)} footer={<><Button onClick={() => setAsking(false)}>{t("run.keep")}</Button><Button look="danger" onClick={() => (setAsking(false), act("cancel"))}>{t("run.cancel")}</Button></>}>
          <p>{t("run.cancel_text")}</p>
        </Sheet>
      )}
    </div>
  );
}

function Progress({ run, last, steps }: { run: Run; last: StepLog | undefined; steps: StepLog[] }): JSX.Element {
  const loss = (value: number | undefined | null): string => (value === undefined || value === null ? "–" : number(value, 3));
  const devs = steps.filter((one) => one.dev_loss !== undefined && one.dev_loss !== null);
  const dev = devs.at(-1)?.dev_loss ?? last?.dev_loss;
  const first = devs[0]?.dev_loss;
  const done = last ? last.step / Math.max(1, last.of) : 0;
  const points = thin(steps, POINTS);
  const facts: [string, string][] = last
    ? [
        [t("run.step"), `${number(last.step)} / ${number(last.of)}`],
        [t("run.epoch"), number(last.epoch, 2)],
        [t("run.loss"), loss(last.loss ?? steps.findLast((one) => one.loss !== undefined)?.loss)],
        [t("run.dev_loss"), first && dev && devs.length > 1 ? `${loss(dev)} (${percent(dev / first - 1, 1)})` : loss(dev)],
        [t("run.speed"), t("run.tokens_s", { n: number(last.tokens_per_second) })],
        [t("run.memory"), `${number(last.memory_mib)} MiB`],
        [isOver(run.state) ? t("run.time") : t("run.left"), isOver(run.state) ? span(last.seconds * 1000) : last.eta === undefined || last.eta === null ? "–" : span(last.eta * 1000)],
      ]
    : [];
  return (
    <section class="card">
      <div class="in stack">
        <div class="progress" role="progressbar" aria-label={t("run.progress")} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(done * 100)}><i style={{ width: `${done * 100}%` }} /></div>
        {last ? <dl class="stats">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl> : <p class="dim">{t(run.state === "queued" ? "run.waits" : "run.begins")}</p>}
        {points.length > 1 && (
          <Chart
            label={t("run.chart")}
            x={points.map((one) => one.step)}
            sayX={(step) => t("run.step_n", { n: number(step) })}
            say={(value) => number(value, 2)}
            height={260}
            fromZero={false}
            tableEvery={Math.ceil(points.length / 40)}
            series={[
              { name: t("run.loss"), color: 1, faint: true, values: points.map((one) => one.loss) },
              { name: t("run.smooth"), color: 1, values: smooth(points.map((one) => one.loss)) },
              { name: t("run.dev_loss"), color: 3, kind: "dots", values: points.map((one) => one.dev) },
            ]}
          />
        )}
      </div>
    </section>
  );
}

/** An exponential mean, corrected for its start. */
export function smooth(values: (number | null)[], keep = 0.9): (number | null)[] {
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = keep * mean + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return mean / weight;
  });
}

function Log({ path }: { path: string }): JSX.Element {
  const [text, setText] = useState<string | undefined>();
  const read = (): void => void fetch(`${path}/log`, { credentials: "same-origin" }).then(async (reply) => setText(reply.ok ? await reply.text() : ""), () => setText(""));
  return (
    <details class="fold" onToggle={(event) => event.currentTarget.open && read()}>
      <summary>{t("run.log")}</summary>
      <pre class="log" tabIndex={0}>{text === undefined ? "…" : text || t("run.no_log")}</pre>
    </details>
  );
}
