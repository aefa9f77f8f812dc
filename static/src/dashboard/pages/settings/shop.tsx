// The shop in its owner's words, and what the model is told of it.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, get, post } from "../../api";
import type { Begins, ShopView } from "../../contract";
import { lang, number, t } from "../../i18n";
import { complain, wordsOf as faultWords } from "../../state/app";
import { href } from "../../state/router";
import { type WordsForm, wordsForm, wordsOf } from "../../state/shop";
import { Button, Field, Spin, toast } from "../../ui/kit";
import { Card } from ".";

const LANGUAGES = ["en", "zh", "ar", "de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "tr"];
const PREVIEW_AFTER_MS = 350;

export function Shop(): JSX.Element {
  const [view, setView] = useState<ShopView | undefined>();
  useEffect(() => void get<ShopView>("/v1/staff/shop").then(setView, complain), []);
  return <Card title={t("shop.words")} lead={t("shop.words_lead")}>{view ? <Words view={view} onView={setView} /> : <Spin />}</Card>;
}

function Words({ view, onView }: { view: ShopView; onView: (view: ShopView) => void }): JSX.Element {
  const [form, setForm] = useState<WordsForm>(wordsForm(view));
  const [fault, setFault] = useState("");
  const [begins, setBegins] = useState<Begins | undefined>();
  const [wrong, setWrong] = useState("");
  const file = view.files.words;
  const words = wordsOf(form, view);
  const text = JSON.stringify(words);
  const changed = text !== JSON.stringify(wordsOf(wordsForm(view), view));
  useEffect(() => {
    let away = false;
    const timer = setTimeout(() => {
      post<Begins>("/v1/staff/shop/preview", words).then(
        (one) => !away && (setBegins(one), setWrong("")),
        (problem) => !away && setWrong(faultWords(problem)),
      );
    }, begins ? PREVIEW_AFTER_MS : 0);
    return () => {
      away = true;
      clearTimeout(timer);
    };
  }, [text]);
  const save = async (): Promise<void> => {
    setFault("");
    try {
      // Another page may have changed the rest of it.
      const { set } = await get<ShopView>("/v1/staff/shop");
      const kept = await call<ShopView>("PUT", "/v1/staff/shop", { ...set, words });
      onView(kept);
      setForm(wordsForm(kept));
      toast(t("shop.saved"));
    } catch (problem) {
      setFault(faultWords(problem));
    }
  };
  const put = (key: keyof WordsForm) => (event: { currentTarget: { value: string } }): void => setForm({ ...form, [key]: event.currentTarget.value });
  const line = (key: "name" | "assistant" | "tone" | "email", most: number, hint?: string): JSX.Element => (
    <Field label={t(`shop.${key}`)} hint={hint}>
      {(ids) => <input {...ids} class="input" inputMode={key === "email" ? "email" : "text"} dir="auto" maxLength={most} placeholder={file[key]} value={form[key]} onInput={put(key)} />}
    </Field>
  );
  const names = new Intl.DisplayNames([lang.value], { type: "language" });
  const codes = [...new Set([...LANGUAGES, file.language, form.language].filter(Boolean))];
  return (
    <div class="look-edit words-edit">
      <form onSubmit={(event) => (event.preventDefault(), void save())}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        <div class="form-grid wide">{line("name", 60)}{line("assistant", 60)}</div>
        <Field label={t("shop.about")} hint={t("shop.about_hint")}>{(ids) => <textarea {...ids} class="input" dir="auto" rows={2} maxLength={300} placeholder={file.about} value={form.about} onInput={put("about")} />}</Field>
        {line("tone", 120, t("shop.tone_hint"))}
        <div class="form-grid wide">
          <Field label={t("shop.language")} hint={t("shop.language_hint")}>
            {(ids) => (
              <select {...ids} class="input" value={form.language} onChange={put("language")}>
                <option value="">{t("shop.as_file", { name: names.of(file.language) ?? file.language })}</option>
                {codes.map((code) => <option key={code} value={code}>{names.of(code) ?? code}</option>)}
              </select>
            )}
          </Field>
          {line("email", 254)}
        </div>
        <Field label={t("shop.facts")} hint={t("shop.facts_hint")}>{(ids) => <textarea {...ids} class="input" dir="auto" rows={10} value={form.facts} onInput={put("facts")} />}</Field>
        <div class="row wrap">
          <Button type="submit" look="primary" disabled={!changed || wrong !== "" || (begins !== undefined && begins.tokens > begins.room)}>{t("ui.save")}</Button>
          <Button disabled={words.facts === undefined} onClick={() => setForm({ ...form, facts: (file.facts ?? []).join("\n") })}>{t("shop.facts_file")}</Button>
          {changed && <span class="small dim" role="status">{t("look.unsaved")}</span>}
        </div>
        <p class="small dim">{t("shop.hours")} <a href={href({ page: "settings", section: "desk" })}>{t("set.desk")}</a></p>
      </form>
      <section class="begins" aria-label={t("shop.preview")}>
        <h3 class="legend">{t("shop.preview")}</h3>
        {wrong ? <p class="fault plain" role="status">{wrong}</p> : !begins ? <Spin /> : (
          <>
            <p class="plain bubble-like" dir="auto">{begins.system}</p>
            <p class={`small ${begins.tokens > begins.room ? "wrong" : "dim"}`} role="status">
              <span class="meter"><i style={{ width: `${Math.min(100, (begins.tokens / begins.room) * 100)}%` }} /></span> <span class="num">{t("shop.tokens", { n: number(begins.tokens), room: number(begins.room) })}</span>
              {begins.tokens > begins.room && ` ${t("shop.too_long")}`}
            </p>
          </>
        )}
      </section>
    </div>
  );
}
