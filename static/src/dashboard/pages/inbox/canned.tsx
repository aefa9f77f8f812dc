// Canned replies, offered while somebody types a word behind `/`.

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Canned } from "../../contract";
import { t } from "../../i18n";

/** Those whose shortcut begins with `word` first, then those that have it anywhere. */
export function matching(all: Canned[], word: string): Canned[] {
  const rank = (one: Canned): number => (one.shortcut.startsWith(word) ? 0 : one.shortcut.includes(word) || one.title.toLowerCase().includes(word) ? 1 : 2);
  return all.filter((one) => rank(one) < 2).sort((a, b) => rank(a) - rank(b) || a.shortcut.localeCompare(b.shortcut)).slice(0, 8);
}

export function CannedMenu({ choices, picked, onPick }: { choices: Canned[]; picked: number; onPick: (n: number) => void }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.children[picked]?.scrollIntoView({ block: "nearest" }), [picked]);
  return (
    <div class="menu canned" role="listbox" id="canned-menu" aria-label={t("compose.canned")} ref={box}>
      {choices.map((one, n) => (
        <button
          key={one.id}
          type="button"
          id={`canned-${n}`}
          role="option"
          tabIndex={-1}
          aria-selected={n === picked}
          onMouseDown={(event) => (event.preventDefault(), onPick(n))}
        >
          <span class="mono">/{one.shortcut}</span>
          <span class="cut" dir="auto">{one.title}</span>
          <span class="cut dim small grow" dir="auto">{one.text}</span>
        </button>
      ))}
    </div>
  );
}
