// What the shop keeps of shoppers: for how long, and what it keeps of one.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, get, query } from "../../api";
import type { FoundShopper, ShopView } from "../../contract";
import { fullTime, t, tn } from "../../i18n";
import { complain, wordsOf } from "../../state/app";
import { shortens } from "../../state/shop";
import { Button, Field, Spin, toast } from "../../ui/kit";
import { Erasing, PrivacyActs } from "../inbox/privacy";
import { Card } from ".";

export function Privacy(): JSX.Element {
  return <><OneShopper /><Retention /><Erasing /></>;
}

function OneShopper(): JSX.Element {
  const [word, setWord] = useState("");
  const [found, setFound] = useState<FoundShopper[] | undefined>();
  const find = (): Promise<void> => get<{ shoppers: FoundShopper[] }>(query("/v1/staff/shoppers", { word: word.trim() })).then((one) => setFound(one.shoppers), complain);
  return (
    <Card title={t("privacy.find")} lead={t("privacy.find_lead")}>
      <form onSubmit={(event) => (event.preventDefault(), word.trim() && void find())}>
        <Field label={t("privacy.word")}>{(ids) => <input {...ids} class="input" required maxLength={320} value={word} onInput={(event) => setWord(event.currentTarget.value)} />}</Field>
        <div><Button type="submit" icon="search">{t("privacy.search")}</Button></div>
      </form>
      <div role="status">
        {found?.length === 0 && <p class="dim">{t("privacy.nobody")}</p>}
        {found && found.length > 0 && (
          <ul class="found">
            {found.map(({ shopper, conversations }) => {
              const name = shopper.name || shopper.email || shopper.contact || shopper.id;
              return (
                <li key={shopper.id}>
                  <div class="grow">
                    <p class="strong cut" dir="auto">{name}</p>
                    <p class="small dim cut">{[shopper.email, shopper.contact, shopper.external, tn("privacy.gone_conversations", conversations), t("privacy.since", { time: fullTime(shopper.created_at) })].filter(Boolean).join(" · ")}</p>
                  </div>
                  <PrivacyActs id={shopper.id} name={name} onErased={() => void find()} />
                </li>
              );
            })}
          </ul>
        )}
      </div>
    </Card>
  );
}

const CHOICES = ["file", "ever", "days"] as const;
type Choice = (typeof CHOICES)[number];

function Retention(): JSX.Element {
  const [view, setView] = useState<ShopView | undefined>();
  const [choice, setChoice] = useState<Choice>("file");
  const [days, setDays] = useState(365);
  const [fault, setFault] = useState("");
  const show = (one: ShopView): void => {
    const set = one.set.retention_days;
    setView(one);
    setChoice(set === undefined ? "file" : set === 0 ? "ever" : "days");
    if (set) setDays(set);
  };
  useEffect(() => void get<ShopView>("/v1/staff/shop").then(show, complain), []);
  if (!view) return <Card title={t("privacy.retention")}><Spin /></Card>;
  const configured = view.files.retention_days;
  const wanted = choice === "file" ? undefined : choice === "ever" ? 0 : days;
  const now = view.set.retention_days ?? configured;
  const save = async (): Promise<void> => {
    setFault("");
    try {
      // The newest look and origins stay as they are.
      const { set } = await get<ShopView>("/v1/staff/shop");
      const { retention_days: _, ...rest } = set;
      show(await call<ShopView>("PUT", "/v1/staff/shop", wanted === undefined ? rest : { ...rest, retention_days: wanted }));
      toast(t("ui.saved"));
    } catch (problem) {
      setFault(wordsOf(problem));
    }
  };
  const labels: Record<Choice, string> = {
    file: t("privacy.as_file", { days: configured ? tn("privacy.days_n", configured) : t("privacy.for_ever").toLowerCase() }),
    ever: t("privacy.for_ever"),
    days: t("privacy.days"),
  };
  return (
    <Card title={t("privacy.retention")} lead={t("privacy.retention_lead")}>
      <form onSubmit={(event) => (event.preventDefault(), void save())}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        <fieldset class="plain-set stack">
          <legend class="sr">{t("privacy.retention")}</legend>
          {CHOICES.map((one) => (
            <label class="check" key={one}>
              <input type="radio" name="retention" checked={choice === one} onChange={() => setChoice(one)} />
              <span>{labels[one]}</span>
              {one === "days" && (
                <span class="row">
                  <input class="input days" type="number" min={1} max={36500} required={choice === "days"} disabled={choice !== "days"} aria-label={t("privacy.days")} value={days} onInput={(event) => setDays(Number(event.currentTarget.value))} />
                  <span>{t("privacy.days_unit")}</span>
                </span>
              )}
            </label>
          ))}
        </fieldset>
        {shortens(now, wanted ?? configured) && <p class="warning">{t("privacy.shorter")}</p>}
        <div><Button type="submit" look="primary">{t("ui.save")}</Button></div>
      </form>
    </Card>
  );
}
