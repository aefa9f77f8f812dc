// The words of the page. English is in the bundle; Chinese comes when it is wanted.

import { computed, signal } from "@preact/signals";
import { browserLang, type Lang, wantedLang } from "../state/prefs";
import { en } from "./en";

export type Word = keyof typeof en;
type Values = Record<string, string | number>;

const books = signal<Partial<Record<Lang, Record<Word, string>>>>({ en });

/** The language that is shown: the wanted one, once its words are here. */
export const lang = computed<Lang>(() => {
  const wanted = wantedLang.value === "auto" ? browserLang(navigator.languages) : wantedLang.value;
  return books.value[wanted] ? wanted : "en";
});

export async function fetchWords(): Promise<void> {
  const wanted = wantedLang.value === "auto" ? browserLang(navigator.languages) : wantedLang.value;
  if (wanted === "zh" && !books.value.zh) books.value = { ...books.value, zh: (await import("./zh")).zh };
  document.documentElement.lang = lang.value;
}

/** The word for `key`, with `{name}` replaced. */
export function t(key: Word, values?: Values): string {
  const text = books.value[lang.value]![key];
  return values ? text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)) : text;
}

/** As `t`, for a number: `one | many`; languages without a plural have one form. */
export function tn(key: Word, n: number, values?: Values): string {
  const [one, many] = t(key, { n: number(n), ...values }).split(" | ");
  return (n === 1 ? one : (many ?? one))!;
}

/** A word that may not exist, e.g. for an error's code. */
export function known(key: string): string | undefined {
  return Object.hasOwn(en, key) ? t(key as Word) : undefined;
}

const locale = (): string => (lang.value === "zh" ? "zh-CN" : "en-GB");

export const number = (value: number, digits = 0): string => new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);

/** Few characters: `840`, `2.2k`. */
export const compact = (value: number): string => (value < 1000 ? number(value) : value < 10_000 ? `${number(value / 1000, 1)}k` : `${number(Math.floor(value / 1000))}k`);

export const percent = (share: number, digits = 0): string => new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: digits }).format(share);

export const clockTime = (at: number): string => new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(at);

export const fullTime = (at: number): string => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(at);

/** A day given as its beginning in UTC. */
export const shortDay = (at: number): string => new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short", timeZone: "UTC" }).format(at);

/** The same with its year. */
export const wholeDay = (at: number): string => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeZone: "UTC" }).format(at);

/** The name of a day of the week, 0 for Monday. */
export const weekday = (day: number): string => new Intl.DateTimeFormat(locale(), { weekday: "short", timeZone: "UTC" }).format(Date.UTC(2024, 0, 1 + day));

export const dayName = (at: number): string => new Intl.DateTimeFormat(locale(), { weekday: "long", day: "numeric", month: "long" }).format(at);

/** `now`, `4 min`, `3 h`, `Tue`, `12 Nov`. */
export function ago(at: number, now: number): string {
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return t("time.now");
  if (minutes < 60) return t("time.min", { n: minutes });
  if (minutes < 60 * 20) return t("time.h", { n: Math.floor(minutes / 60) });
  const day: Intl.DateTimeFormatOptions = minutes < 60 * 24 * 6 ? { weekday: "short" } : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat(locale(), day).format(at);
}

/** A length of time: `40 s`, `12 min`, `1 h 05`, `2 d`. */
export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return t("time.s", { n: s });
  if (s < 3600) return t("time.min", { n: Math.floor(s / 60) });
  if (s < 86_400) return t("time.hm", { h: Math.floor(s / 3600), m: String(Math.floor((s % 3600) / 60)).padStart(2, "0") });
  return t("time.d", { n: Math.floor(s / 86_400) });
}

/** Milliseconds as people read them: `840 ms`, `2.4 s`. */
export function took(ms: number | undefined): string {
  if (ms === undefined) return "–";
  return ms < 1000 ? `${number(ms)} ms` : ms < 60_000 ? `${number(ms / 1000, 1)} s` : span(ms);
}
