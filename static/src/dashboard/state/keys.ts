// Shortcuts: one table that the handler reads and the help shows.

import type { Word } from "../i18n";

export type Act = "next" | "previous" | "open" | "reply" | "note" | "take" | "release" | "resolve" | "reopen" | "suggest" | "tag" | "search" | "panel" | "help" | "back" | "inbox" | "numbers" | "training" | "settings";

export const SHORTCUTS: { keys: string; act: Act; word: Word; group: "list" | "talk" | "go" }[] = [
  { keys: "j", act: "next", word: "keys.next", group: "list" },
  { keys: "k", act: "previous", word: "keys.previous", group: "list" },
  { keys: "Enter", act: "open", word: "keys.open", group: "list" },
  { keys: "/", act: "search", word: "keys.search", group: "list" },
  { keys: "Escape", act: "back", word: "keys.back", group: "list" },
  { keys: "r", act: "reply", word: "keys.reply", group: "talk" },
  { keys: "n", act: "note", word: "keys.note", group: "talk" },
  { keys: "t", act: "take", word: "keys.take", group: "talk" },
  { keys: "h", act: "release", word: "keys.release", group: "talk" },
  { keys: "e", act: "resolve", word: "keys.resolve", group: "talk" },
  { keys: "o", act: "reopen", word: "keys.reopen", group: "talk" },
  { keys: "s", act: "suggest", word: "keys.suggest", group: "talk" },
  { keys: "l", act: "tag", word: "keys.tag", group: "talk" },
  { keys: "i", act: "panel", word: "keys.panel", group: "talk" },
  { keys: "g i", act: "inbox", word: "nav.inbox", group: "go" },
  { keys: "g n", act: "numbers", word: "nav.numbers", group: "go" },
  { keys: "g t", act: "training", word: "nav.training", group: "go" },
  { keys: "g s", act: "settings", word: "nav.settings", group: "go" },
  { keys: "?", act: "help", word: "keys.help", group: "go" },
];

type Key = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "isComposing">;

/** Reads keys one by one; `g` waits for the next. */
export class Keys {
  #before = "";

  press(event: Key, inField: boolean): Act | undefined {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || inField) {
      this.#before = "";
      return undefined;
    }
    const keys = this.#before + event.key;
    this.#before = "";
    const found = SHORTCUTS.find((one) => one.keys === keys) ?? SHORTCUTS.find((one) => one.keys === event.key);
    if (!found && event.key === "g") this.#before = "g ";
    return found?.act;
  }
}
