// What the owner sets in place of the files, as the page works with it.

import type { Look, ShopSet, ShopView, ShopWords } from "../contract";

/** True if conversations that are kept under `now` would be erased under `next`; 0 is for ever. */
export function shortens(now: number, next: number): boolean {
  return next > 0 && (now === 0 || next < now);
}

/** Lines without blanks around them, and without empty ones. */
export const linesOf = (text: string): string[] => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** What the form says of the look in one language, as text. */
export interface LookForm {
  color: string;
  title: string;
  greeting: string;
  suggestions: string;
}

/** What is set, as the form shows it. */
export function formOf(set: ShopSet["look"], lang: string): LookForm {
  return { color: set.color, title: set.title, greeting: set.greeting[lang] ?? "", suggestions: (set.suggestions[lang] ?? []).join("\n") };
}

/** `set` with what the form says; what is empty is left to the files. */
export function withForm(set: ShopSet["look"], lang: string, form: LookForm): ShopSet["look"] {
  const { [lang]: _greeting, ...greeting } = set.greeting;
  const { [lang]: _suggestions, ...suggestions } = set.suggestions;
  const lines = linesOf(form.suggestions).slice(0, 6);
  return {
    color: form.color,
    title: form.title.trim(),
    greeting: form.greeting.trim() ? { ...greeting, [lang]: form.greeting.trim() } : greeting,
    suggestions: lines.length ? { ...suggestions, [lang]: lines } : suggestions,
  };
}

/** The shop's words as their form shows them. */
export type WordsForm = Record<"name" | "assistant" | "about" | "tone" | "language" | "email" | "facts", string>;

export function wordsForm({ set, files }: ShopView): WordsForm {
  const { facts, ...plain } = set.words;
  return { ...plain, facts: (facts ?? files.words.facts ?? []).join("\n") };
}

/** What the form says as it is kept: facts as in the file are left to the file. */
export function wordsOf(form: WordsForm, { files }: ShopView): ShopWords {
  const { facts, ...plain } = Object.fromEntries(Object.entries(form).map(([key, text]) => [key, text.trim()])) as WordsForm;
  const lines = linesOf(facts);
  const own = lines.join("\n") !== (files.words.facts ?? []).join("\n");
  return { ...plain, ...(own && { facts: lines }) };
}

/** The look shoppers would get in `lang`: as the server puts it together. */
export function lookIn(view: ShopView, set: ShopSet["look"], lang: string, served: Look): Look {
  const { files } = view;
  const pick = <T,>(over: Record<string, T>, file: Record<string, T>): T | undefined => {
    const all = { ...file, ...over };
    return all[lang] ?? all[served.language] ?? Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))[0]?.[1];
  };
  return {
    ...served,
    color: set.color || files.color,
    assistant: set.title || view.set.words.assistant || files.title,
    greeting: pick(set.greeting, files.greeting) ?? "",
    suggestions: pick(set.suggestions, files.suggestions) ?? [],
  };
}
