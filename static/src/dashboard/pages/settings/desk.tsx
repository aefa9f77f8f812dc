// When people are there, and what brings one.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, get } from "../../api";
import type { DeskSettings, HandOffRules, Schedule } from "../../contract";
import { t } from "../../i18n";
import { complain, wordsOf } from "../../state/app";
import { Icon } from "../../ui/icon";
import { Button, Field, Spin, toast } from "../../ui/kit";
import { Card } from ".";
import { Rules } from "./rules";
import { usualWeek, Week } from "./week";

export function Desk(): JSX.Element {
  const [known, setKnown] = useState<DeskSettings | undefined>();
  const [hours, setHours] = useState("");
  const [words, setWords] = useState<string[]>([]);
  const [word, setWord] = useState("");
  const [rules, setRules] = useState<HandOffRules | undefined>();
  const [week, setWeek] = useState<Schedule | null>(null);
  const [fault, setFault] = useState("");
  const show = (one: DeskSettings): void => {
    setKnown(one);
    setHours(one.hours);
    setWords(one.handoff_words);
    setRules(one.handoff);
    setWeek(one.schedule ?? null);
  };
  useEffect(() => void get<DeskSettings>("/v1/staff/settings").then(show, complain), []);
  if (!known || !rules) return <Card title={t("set.desk")}><Spin /></Card>;
  const add = (): string[] => {
    const fresh = word.trim().toLowerCase();
    const next = fresh && !words.includes(fresh) ? [...words, fresh] : words;
    setWords(next);
    setWord("");
    return next;
  };
  const save = async (): Promise<void> => {
    setFault("");
    try {
      show(await call<DeskSettings>("PUT", "/v1/staff/settings", { ...known, hours: hours.trim(), handoff_words: add(), ...(rules && { handoff: rules }), schedule: week }));
      toast(t("ui.saved"));
    } catch (problem) {
      setFault(wordsOf(problem));
    }
  };
  return (
    <Card title={t("set.desk")}>
      <form onSubmit={(event) => (event.preventDefault(), void save())}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        <Field label={t("desk.hours")} hint={t("desk.hours_hint")}>{(ids) => <input {...ids} class="input" maxLength={200} placeholder={t("desk.hours_sample")} value={hours} onInput={(event) => setHours(event.currentTarget.value)} />}</Field>
        <div class="field">
          <label class="check"><input type="checkbox" checked={week !== null} onChange={(event) => setWeek(event.currentTarget.checked ? usualWeek() : null)} /><span>{t("desk.by_hours")}<small class="hint">{t("desk.by_hours_hint")}</small></span></label>
          {week && <Week schedule={week} onChange={setWeek} />}
        </div>
        <Rules rules={rules} onChange={setRules} />
        <Field label={t("desk.words")} hint={t("desk.words_hint")}>
          {(ids) => (
            <>
              {words.length > 0 && <ul class="chips">{words.map((one) => <li key={one}><span class="tag"><span class="cut" dir="auto">{one}</span><button type="button" aria-label={t("panel.remove_tag", { tag: one })} onClick={() => setWords(words.filter((other) => other !== one))}><Icon shape="close" /></button></span></li>)}</ul>}
              <input
                {...ids}
                class="input"
                maxLength={40}
                value={word}
                disabled={words.length >= 50}
                placeholder={t("desk.add_word")}
                onInput={(event) => setWord(event.currentTarget.value)}
                onKeyDown={(event) => event.key === "Enter" && word.trim() && (event.preventDefault(), add())}
              />
            </>
          )}
        </Field>
        <div><Button type="submit" look="primary">{t("ui.save")}</Button></div>
      </form>
    </Card>
  );
}
