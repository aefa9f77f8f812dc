// What became rows, and what was left out and why.

import type { JSX } from "preact";
import { known, number, t } from "../../i18n";

/** Any report: numbers and words by name, nested at most once. Shapes that are not known are shown as they are. */
export function ReportView({ report }: { report: unknown }): JSX.Element {
  if (typeof report !== "object" || report === null || !Object.keys(report).length) return <p class="dim">{t("report.nothing")}</p>;
  return (
    <dl class="facts report">
      {Object.entries(report).flatMap(([key, value]) => lines(key, value)).map(([name, value, deep], n) => (
        <div key={n} class={deep ? "deep" : ""}><dt>{name}</dt><dd class="num">{value}</dd></div>
      ))}
    </dl>
  );
}

type Line = [name: string, value: string, deep: boolean];
const title = (key: string): string => known(`report.${key}`) ?? key.replaceAll("_", " ");

function lines(key: string, value: unknown): Line[] {
  if (typeof value === "number") return [[title(key), number(value, 2), false]];
  if (typeof value === "string") return [[title(key), value, false]];
  if (Array.isArray(value)) {
    const parts = value.flatMap((one): Line[] => {
      if (typeof one !== "object" || one === null) return [["", String(one), true]];
      const words = Object.values(one).filter((part): part is string => typeof part === "string").map(title);
      const count = Object.values(one).find((part): part is number => typeof part === "number");
      return words.length && count !== undefined ? [[words.join(" "), number(count), true]] : [];
    });
    return parts.length ? [[title(key), "", false], ...parts] : [];
  }
  if (typeof value === "object" && value !== null) {
    const parts = Object.entries(value).flatMap(([name, part]): Line[] => (typeof part === "number" ? [[title(name), number(part, 2), true]] : []));
    return parts.length ? [[title(key), "", false], ...parts] : [];
  }
  return [];
}
