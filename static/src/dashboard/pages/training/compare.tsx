// One question, two versions, side by side.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, post } from "../../api";
import { number, t, took } from "../../i18n";
import { complain, wordsOf } from "../../state/app";
import { Button, Field, Spin } from "../../ui/kit";
import { Rich } from "../../ui/rich";
import type { Adapters, Compared } from "../../training";

const BASE = "base";

export function Compare(): JSX.Element {
  const [versions, setVersions] = useState<string[]>([]);
  const [[left, right], setPair] = useState<[string, string]>([BASE, BASE]);
  const [question, setQuestion] = useState("");
  const [answers, setAnswers] = useState<Compared | undefined>();
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
  useEffect(() => {
    get<Adapters>("/v1/staff/adapters").then((all) => {
      const ids = all.adapters.filter((one) => !one.fault).map((one) => one.id);
      setVersions(ids);
      setPair([BASE, all.status.candidate ?? all.status.current ?? ids[0] ?? BASE]);
    }, complain);
  }, []);
  const ask = async (): Promise<void> => {
    setBusy(true);
    setFault("");
    try {
      setAnswers(await post<Compared>("/v1/staff/compare", { prompt: question.trim(), variants: [left, right] }));
    } catch (problem) {
      setFault(wordsOf(problem));
    }
    setBusy(false);
  };
  const pick = (label: string, value: string, change: (value: string) => void): JSX.Element => (
    <Field label={label}>
      {(ids) => <select {...ids} class="input" value={value} onChange={(event) => change(event.currentTarget.value)}><option value={BASE}>{t("num.base")}</option>{versions.map((one) => <option key={one} value={one}>{one}</option>)}</select>}
    </Field>
  );
  return (
    <section class="card">
      <header><h2>{t("compare.title")}</h2></header>
      <div class="in stack">
        <p class="lead">{t("compare.lead")}</p>
        <form class="stack" onSubmit={(event) => (event.preventDefault(), void ask())}>
          <div class="form-grid">{pick(t("compare.left"), left, (value) => setPair([value, right]))}{pick(t("compare.right"), right, (value) => setPair([left, value]))}</div>
          <Field label={t("compare.question")}>{(ids) => <textarea {...ids} class="input" required rows={3} maxLength={4000} dir="auto" value={question} onInput={(event) => setQuestion(event.currentTarget.value)} />}</Field>
          {fault && <p class="fault" role="alert">{fault}</p>}
          <div class="row"><Button type="submit" look="primary" disabled={busy || !question.trim()}>{t("compare.ask")}</Button>{busy && <Spin />}</div>
        </form>
        {answers && (
          <div class="answers" aria-live="polite">
            {answers.answers.map((one, n) => (
              <article class="card" key={n}>
                <p class="small dim row"><span class="strong grow">{one.variant === BASE ? t("num.base") : one.variant}</span><span class="num">{t("compare.cost", { n: number(one.completion_tokens), ms: took(one.ms) })}</span></p>
                <div class="bubble" dir="auto"><Rich text={one.text} /></div>
                <p class="small dim">{t(`compare.how_${one.how}`)}</p>
              </article>
            ))}
          </div>
        )}
      </div>
    </section>
  );
}
