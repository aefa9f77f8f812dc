// What brings a person besides being asked for one: each rule with its switch and its number.

import type { JSX } from "preact";
import type { HandOffRules } from "../../contract";
import { t, type Word } from "../../i18n";
import { NumberInput } from "../../ui/number";

type Counted = "mood" | "repeated" | "unsure" | "model";

/** The number a rule begins with, and its limits. */
const RULES: { name: Counted; usual: number; least: number; most: number; unit: Word }[] = [
  { name: "mood", usual: 3, least: 1, most: 20, unit: "rule.messages" },
  { name: "repeated", usual: 3, least: 2, most: 20, unit: "rule.times" },
  { name: "unsure", usual: 2, least: 1, most: 20, unit: "rule.questions" },
  { name: "model", usual: 80, least: 50, most: 99, unit: "rule.percent" },
];

export function Rules({ rules, onChange }: { rules: HandOffRules; onChange: (rules: HandOffRules) => void }): JSX.Element {
  const plain = (name: "words" | "closed"): JSX.Element => (
    <li>
      <label class="check">
        <input type="checkbox" checked={rules[name]} onChange={(event) => onChange({ ...rules, [name]: event.currentTarget.checked })} />
        <span>{t(`rule.${name}`)}<small class="hint">{t(`rule.${name}_hint`)}</small></span>
      </label>
    </li>
  );
  return (
    <fieldset class="rules">
      <legend>{t("rule.title")}</legend>
      <p class="hint">{t("rule.lead")}</p>
      <ul>
        {plain("words")}
        {RULES.map(({ name, usual, least, most, unit }) => (
          <li key={name}>
            <label class="check">
              <input type="checkbox" checked={rules[name] !== null} onChange={(event) => onChange({ ...rules, [name]: event.currentTarget.checked ? usual : null })} />
              <span>{t(`rule.${name}`)}<small class="hint">{t(`rule.${name}_hint`)}</small></span>
            </label>
            {rules[name] !== null && (
              <label class="rule-number">
                <NumberInput class="input" min={least} max={most} required aria-label={t("rule.number", { rule: t(`rule.${name}`) })} value={rules[name]} onNumber={(value) => onChange({ ...rules, [name]: value })} />
                <span>{t(unit)}</span>
              </label>
            )}
          </li>
        ))}
        {plain("closed")}
      </ul>
    </fieldset>
  );
}
