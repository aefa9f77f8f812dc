// The recipe: what matters in front, the rest behind a fold with defaults that work.

import type { JSX } from "preact";
import { t, type Word } from "../../i18n";
import { Field } from "../../ui/kit";
import { NumberInput } from "../../ui/number";
import { DEFAULTS, type RecipeForm, type TargetKind } from "../../training";

interface Props {
  form: RecipeForm;
  onChange: (change: Partial<RecipeForm>) => void;
}

type Numeric = { [K in keyof RecipeForm]: RecipeForm[K] extends number ? K : never }[keyof RecipeForm];

interface NumberSpec {
  key: Numeric;
  word: Word;
  hint?: Word;
  min: number;
  max: number;
  step: number | "any";
}

const MAIN: NumberSpec[] = [
  { key: "epochs", word: "recipe.epochs", hint: "recipe.epochs_hint", min: 0.1, max: 100, step: "any" },
  { key: "minutes", word: "recipe.minutes", hint: "recipe.minutes_hint", min: 0, max: 10_000, step: 1 },
];

const MORE: NumberSpec[] = [
  { key: "perShopper", word: "recipe.per_shopper", hint: "recipe.per_shopper_hint", min: 0, max: 10_000, step: 1 },
  { key: "maxTokens", word: "recipe.max_tokens", min: 16, max: 4096, step: 1 },
  { key: "dev", word: "recipe.dev", hint: "recipe.dev_hint", min: 0, max: 0.5, step: 0.01 },
  { key: "test", word: "recipe.test", hint: "recipe.test_hint", min: 0, max: 0.5, step: 0.01 },
  { key: "rank", word: "recipe.rank", min: 1, max: 512, step: 1 },
  { key: "alpha", word: "recipe.alpha", min: 0.1, max: 1024, step: "any" },
  { key: "lr", word: "recipe.lr", min: 0.0000001, max: 1, step: "any" },
  { key: "batch", word: "recipe.batch", min: 1, max: 512, step: 1 },
  { key: "patience", word: "recipe.patience", hint: "recipe.patience_hint", min: 0, max: 100, step: 1 },
  { key: "seed", word: "recipe.seed", min: 0, max: 4_294_967_295, step: 1 },
  { key: "lossGain", word: "recipe.loss_gain", hint: "recipe.loss_gain_hint", min: 0, max: 1, step: "any" },
  { key: "toolLoss", word: "recipe.tool_loss", hint: "recipe.tool_loss_hint", min: 0, max: 1, step: "any" },
];

const RATED = ["", "up", "down", "any"] as const;

export function RecipeFields({ form, onChange }: Props): JSX.Element {
  const numeric = ({ key, word, hint, min, max, step }: NumberSpec): JSX.Element => (
    <Field key={key} label={t(word)} hint={hint && t(hint)}>
      {(ids) => <NumberInput {...ids} class="input num" min={min} max={max} step={step} required value={form[key]} onNumber={(value) => onChange({ [key]: value })} />}
    </Field>
  );
  const target = (kind: TargetKind): JSX.Element => (
    <label class="check" key={kind}>
      <input type="checkbox" checked={form.targets.includes(kind)} disabled={form.targets.length === 1 && form.targets.includes(kind)} title={form.targets.length === 1 && form.targets.includes(kind) ? t("recipe.one_target") : undefined} onChange={(event) => onChange({ targets: event.currentTarget.checked ? [...form.targets, kind] : form.targets.filter((one) => one !== kind) })} />
      <span>{t(`target.${kind}`)} <span class="dim small">{t(`target.${kind}_hint`)}</span></span>
    </label>
  );
  return (
    <>
      <Field label={t("recipe.name")} hint={t("recipe.name_hint")}>{(ids) => <input {...ids} class="input" required pattern="[a-z0-9]([a-z0-9\-]{0,38}[a-z0-9])?" value={form.name} onInput={(event) => onChange({ name: event.currentTarget.value })} />}</Field>
      <fieldset class="plain-set stack">
        <legend class="legend">{t("recipe.targets")}</legend>
        {(["staff", "corrected", "liked"] as const).map(target)}
      </fieldset>
      <div class="form-grid">
        <Field label={t("recipe.since")}>{(ids) => <input {...ids} class="input" type="date" value={form.since} onChange={(event) => onChange({ since: event.currentTarget.value })} />}</Field>
        <Field label={t("recipe.until")}>{(ids) => <input {...ids} class="input" type="date" value={form.until} onChange={(event) => onChange({ until: event.currentTarget.value })} />}</Field>
      </div>
      <div class="form-grid">
        <Field label={t("recipe.rated")}>
          {(ids) => <select {...ids} class="input" value={form.rated} onChange={(event) => onChange({ rated: event.currentTarget.value as RecipeForm["rated"] })}>{RATED.map((one) => <option key={one} value={one}>{t(`rated.${one || "all"}`)}</option>)}</select>}
        </Field>
        <Field label={t("recipe.answered_by")} hint={t("recipe.answered_by_hint")}>{(ids) => <input {...ids} class="input" value={form.answeredBy} onInput={(event) => onChange({ answeredBy: event.currentTarget.value })} />}</Field>
      </div>
      <Field label={t("recipe.tags")} hint={t("recipe.tags_hint")}>{(ids) => <input {...ids} class="input" value={form.tags} onInput={(event) => onChange({ tags: event.currentTarget.value })} />}</Field>
      <div class="form-grid">{MAIN.map(numeric)}</div>
      <details class="fold">
        <summary>{t("recipe.advanced")}</summary>
        <div class="form-grid">
          <Field label={t("recipe.weights")} hint={t("recipe.weights_hint")}>
            {(ids) => <select {...ids} class="input" value={form.weights} onChange={(event) => onChange({ weights: event.currentTarget.value as RecipeForm["weights"] })}><option value="full">{t("recipe.full")}</option><option value="q8_0">Q8_0</option><option value="q4_0">Q4_0</option></select>}
          </Field>
          {MORE.map(numeric)}
        </div>
        <p><button type="button" class="linkish small" onClick={() => onChange(DEFAULTS)}>{t("recipe.reset")}</button></p>
      </details>
    </>
  );
}
