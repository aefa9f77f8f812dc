// How shoppers see the chat, the line that puts it on a page, and the pages that may.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, get, query } from "../../api";
import type { Look, ShopSet, ShopView } from "../../contract";
import { lang, t } from "../../i18n";
import { complain, isAdmin, wordsOf } from "../../state/app";
import { isDark } from "../../state/prefs";
import { formOf, linesOf, lookIn, type LookForm, withForm } from "../../state/shop";
import { Button, Field, Spin, toast } from "../../ui/kit";
import { palette } from "../../../widget/color";
import { fill, textsFor } from "../../../widget/texts";
import { Card } from ".";

const LANGUAGES = [["en", "English"], ["zh", "中文"], ["ar", "العربية"]] as const;

export function Widget(): JSX.Element {
  const [view, setView] = useState<ShopView | undefined>();
  useEffect(() => void get<ShopView>("/v1/staff/shop").then(setView, complain), []);
  const snippet = `<script src="${location.origin}/widget.js" async></script>`;
  /** Changes one part of what is set; the others stay as they are on the server. */
  const save = async (part: Partial<ShopSet>): Promise<void> => {
    const { set } = await get<ShopView>("/v1/staff/shop");
    setView(await call<ShopView>("PUT", "/v1/staff/shop", { ...set, ...part }));
    toast(t("ui.saved"));
  };
  return (
    <>
      <Card title={t("widget.embed")} lead={t("widget.embed_lead")}>
        <div class="snippet"><pre tabIndex={0}>{snippet}</pre><Button look="tiny" icon="copy" onClick={() => void navigator.clipboard.writeText(snippet).then(() => toast(t("ui.copied")))}>{t("ui.copy")}</Button></div>
        <p class="small dim">{t("widget.origins")} <a href="/demo/" target="_blank" rel="noopener">{t("widget.demo")}</a></p>
      </Card>
      {view ? <Looks view={view} save={save} /> : <Card title={t("widget.look")}><Spin /></Card>}
      {view && isAdmin.value && <Origins view={view} save={save} />}
    </>
  );
}

type Save = (part: Partial<ShopSet>) => Promise<void>;

function Looks({ view, save }: { view: ShopView; save: Save }): JSX.Element {
  const [shown, setShown] = useState<string>(LANGUAGES.some(([one]) => one === lang.value) ? lang.value : "en");
  const [set, setSet] = useState(view.set.look);
  const [served, setServed] = useState<Look | undefined>();
  const [fault, setFault] = useState("");
  useEffect(() => void get<Look>(query("/v1/shopper/look", { lang: shown })).then(setServed, complain), [shown]);
  useEffect(() => setSet(view.set.look), [view]);
  const form = formOf(set, shown);
  const [suggestions, setSuggestions] = useState(form.suggestions);
  useEffect(() => setSuggestions(formOf(set, shown).suggestions), [shown, view]);
  const put = (part: Partial<LookForm>): void => setSet(withForm(set, shown, { ...form, ...part }));
  const keep = async (look: ShopSet["look"]): Promise<void> => {
    setFault("");
    await save({ look }).catch((problem) => setFault(wordsOf(problem)));
  };
  const changed = JSON.stringify(set) !== JSON.stringify(view.set.look);
  const empty = { color: "", title: "", greeting: {}, suggestions: {} };
  const language = LANGUAGES.find(([one]) => one === shown)![1];
  const file = { greeting: view.files.greeting[shown] ?? "", suggestions: (view.files.suggestions[shown] ?? []).join("\n") };
  return (
    <Card
      title={t("widget.look")}
      lead={t("widget.look_lead")}
      side={<div class="tabs" role="group" aria-label={t("me.language")}>{LANGUAGES.map(([one, name]) => <button type="button" class="tab" key={one} lang={one} aria-current={one === shown ? "true" : undefined} onClick={() => setShown(one)}>{name}</button>)}</div>}
    >
      <div class="look-edit">
        {isAdmin.value && (
          <form onSubmit={(event) => (event.preventDefault(), void keep(set))}>
            {fault && <p class="fault" role="alert">{fault}</p>}
            <Field label={t("look.color")}>
              {(ids) => (
                <div class="row">
                  <input {...ids} type="color" class="color" value={set.color || view.files.color} onInput={(event) => put({ color: event.currentTarget.value })} />
                  <code class="small">{set.color || view.files.color}</code>
                </div>
              )}
            </Field>
            <Field label={t("look.title")} hint={t("look.title_hint")}>{(ids) => <input {...ids} class="input" dir="auto" maxLength={40} placeholder={view.files.title} value={set.title} onInput={(event) => setSet({ ...set, title: event.currentTarget.value })} />}</Field>
            <fieldset class="plain-set stack" lang={shown}>
              <legend class="legend small dim" lang={lang.value}>{t("look.for", { language })}</legend>
              <Field label={t("look.greeting")}>{(ids) => <textarea {...ids} class="input" dir="auto" rows={3} maxLength={300} placeholder={file.greeting} value={set.greeting[shown] ?? ""} onInput={(event) => setSet({ ...set, greeting: { ...set.greeting, [shown]: event.currentTarget.value } })} />}</Field>
              <Field label={t("look.suggestions")} hint={t("look.suggestions_hint")}>{(ids) => <textarea {...ids} class="input" dir="auto" rows={4} placeholder={file.suggestions} value={suggestions} onInput={(event) => (setSuggestions(event.currentTarget.value), put({ suggestions: event.currentTarget.value }))} />}</Field>
            </fieldset>
            <div class="row wrap">
              <Button type="submit" look="primary" disabled={!changed}>{t("ui.save")}</Button>
              <Button onClick={() => (setSet(empty), setSuggestions(""))}>{t("look.reset")}</Button>
              {changed && <span class="small dim" role="status">{t("look.unsaved")}</span>}
            </div>
          </form>
        )}
        {served ? <Preview look={lookIn(view, withForm(set, shown, { ...formOf(set, shown) }), shown, served)} shown={shown} /> : <Spin />}
      </div>
    </Card>
  );
}

/** The widget's first sight, in its own colours and words. */
function Preview({ look, shown }: { look: Look; shown: string }): JSX.Element {
  const colors = palette(look.color);
  const accent = colors[isDark() ? "--accent-dark" : "--accent-light"];
  const texts = textsFor(shown);
  return (
    <div class="preview-widget" lang={shown} dir={shown === "ar" ? "rtl" : "ltr"}>
      <header>
        <span class="face" style={{ background: colors["--brand"], color: colors["--on-brand"] }} aria-hidden="true">{[...look.assistant][0]}</span>
        <div class="grow"><p class="strong">{look.assistant}</p><p class="small dim">{fill(texts.assistantOf, look.name)}</p></div>
      </header>
      <div class="talk-in">
        <p class="hello">{look.greeting}</p>
        {look.suggestions.slice(0, 4).map((one) => <span class="ask" key={one} style={{ color: accent, borderColor: accent }}>{one}</span>)}
      </div>
    </div>
  );
}

/** Which pages may open a chat. */
function Origins({ view, save }: { view: ShopView; save: Save }): JSX.Element {
  const [text, setText] = useState(view.set.origins.join("\n"));
  const [fault, setFault] = useState("");
  useEffect(() => setText(view.set.origins.join("\n")), [view]);
  const act = async (): Promise<void> => {
    setFault("");
    await save({ origins: linesOf(text) }).catch((problem) => setFault(wordsOf(problem)));
  };
  return (
    <Card title={t("look.origins")} lead={t("look.origins_lead")}>
      <form onSubmit={(event) => (event.preventDefault(), void act())}>
        <Field label={t("look.origins_field")} wrong={fault}>{(ids) => <textarea {...ids} class="input mono" rows={3} spellcheck={false} placeholder="https://shop.example.com" value={text} onInput={(event) => setText(event.currentTarget.value)} />}</Field>
        {view.files.origins.length > 0 && <p class="small dim">{t("look.origins_file", { list: view.files.origins.join(", ") })}</p>}
        <div><Button type="submit" look="primary">{t("ui.save")}</Button></div>
      </form>
    </Card>
  );
}
