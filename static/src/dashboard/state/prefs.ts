// What this browser prefers: theme, language, sound. Kept here only.

import { effect, signal } from "@preact/signals";
import { keepIn } from "../../widget/keep";

export const keep = keepIn(() => localStorage, "shopclerk.desk.");

export type Theme = "system" | "light" | "dark";
export type Lang = "en" | "zh";

export const theme = signal<Theme>(keep.get<Theme>("theme") ?? "system");
export const wantedLang = signal<Lang | "auto">(keep.get<Lang | "auto">("lang") ?? "auto");
export const sound = signal(keep.get<boolean>("sound") === true);
export const notices = signal(keep.get<boolean>("notices") === true);

/** The language of the browser, of those there are words for. */
export function browserLang(languages: readonly string[]): Lang {
  const first = languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag === "en" || tag === "zh");
  return first === "zh" ? "zh" : "en";
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const dark = signal(systemDark.matches);
systemDark.addEventListener("change", (event) => {
  dark.value = event.matches;
});
export const isDark = (): boolean => (theme.value === "system" ? dark.value : theme.value === "dark");

/** Keeps what changes, and shows the theme. */
export function applyPrefs(): void {
  effect(() => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  });
  effect(() => keep.set("theme", theme.value));
  effect(() => keep.set("lang", wantedLang.value));
  effect(() => keep.set("sound", sound.value));
  effect(() => keep.set("notices", notices.value));
}

/** Drafts and unsent messages are not for the next person at this machine. */
export function forget(): void {
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith("shopclerk.desk.") && !/\.(theme|lang|sound|notices)$/.test(key)) localStorage.removeItem(key);
    }
  } catch {
    // No storage, nothing to forget.
  }
}
