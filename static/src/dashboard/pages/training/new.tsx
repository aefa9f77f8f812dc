// A new run: which conversations, what is learnt of them, and how; with the rows as the trainer will read them.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { post } from "../../api";
import { number, t } from "../../i18n";
import { wordsOf } from "../../state/app";
import { keep } from "../../state/prefs";
import { go } from "../../state/router";
import { Button, Spin } from "../../ui/kit";
import { DEFAULTS, type Preview, recipeOf, type RecipeForm, type Run } from "../../training";
import { RecipeFields } from "./recipe";
import { ReportView } from "./report";
import { Example } from "./example";

const SHOWN = 20;

export function NewRun(): JSX.Element {
  const [form, setForm] = useState<RecipeForm>(() => ({ ...DEFAULTS, ...keep.get<RecipeForm>("recipe") }));
  const [preview, setPreview] = useState<Preview | undefined>();
  const [fault, setFault] = useState("");
  const [busy, setBusy] = useState<"" | "preview" | "start">("");
  // All of it: the server looks at the whole recipe, and refuses a wrong name too.
  const choice = JSON.stringify(recipeOf(form));
  const look = async (): Promise<void> => {
    setBusy("preview");
    setFault("");
    try {
      setPreview(await post<Preview>("/v1/staff/runs/preview", { recipe: recipeOf(form), rows: SHOWN }));
    } catch (problem) {
      setPreview(undefined);
      setFault(wordsOf(problem));
    }
    setBusy("");
  };
  // What was chosen shows itself, a moment after the last change.
  useEffect(() => {
    const timer = setTimeout(() => void look(), 400);
    return () => clearTimeout(timer);
  }, [choice]);
  const start = async (): Promise<void> => {
    setBusy("start");
    setFault("");
    try {
      const run = await post<Run>("/v1/staff/runs", { recipe: recipeOf(form, preview?.count) });
      keep.set("recipe", form);
      go({ page: "training", view: "runs", run: run.id });
    } catch (problem) {
      setFault(wordsOf(problem));
      setBusy("");
    }
  };
  return (
    <div class="split">
      <section class="card">
        <header><h2>{t("train.choose")}</h2></header>
        <form class="in stack" onSubmit={(event) => (event.preventDefault(), void start())}>
          <RecipeFields form={form} onChange={(change) => setForm((old) => ({ ...old, ...change }))} />
          {fault && <p class="fault plain" role="alert">{fault}</p>}
          <Button type="submit" look="primary" icon="play" disabled={busy !== "" || !preview?.count}>{t("train.start")}</Button>
        </form>
      </section>
      <section class="card" aria-busy={busy === "preview"}>
        <header><h2>{preview ? t("train.rows", { n: number(preview.count) }) : t("train.rows_title")}</h2>{busy === "preview" && <Spin />}</header>
        <div class="in">
          <p class="lead">{t("train.rows_lead")}</p>
          {preview && <details class="fold" open={preview.count === 0}><summary>{t("train.left_out")}</summary><ReportView report={preview.report} /></details>}
          <div class="examples">{preview?.rows.map((row) => <Example key={row.id} row={row} />)}</div>
          {preview && preview.count > preview.rows.length && <p class="small dim">{t("train.and_more", { n: number(preview.count - preview.rows.length) })}</p>}
        </div>
      </section>
    </div>
  );
}
