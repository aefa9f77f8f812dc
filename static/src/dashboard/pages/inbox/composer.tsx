// Where a reply or a private note is written. What was begun survives a reload.

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { room } from "../../../room";
import { t } from "../../i18n";
import { canned, complain, desk, door, me, nameOf } from "../../state/app";
import { type Draft, draftOf, fillCanned, keepDraft, type Mode, slashWord } from "../../state/drafts";
import { wantComposer, wantSuggestion } from "../../state/signals";
import type { Suggestion } from "../../state/suggest";
import { correctable } from "../../state/thread";
import { Icon } from "../../ui/icon";
import { Button, toast } from "../../ui/kit";
import { CannedMenu, matching } from "./canned";

export function Composer({ conv }: { conv: string }): JSX.Element {
  const here = desk.value!;
  const thread = here.open.value?.thread;
  const [draft, setDraft] = useState<Draft>(() => draftOf(conv));
  const [slash, setSlash] = useState<{ from: number; word: string } | undefined>();
  const [picked, setPicked] = useState(0);
  const [running, setRunning] = useState<Suggestion | undefined>();
  /** What stood here before a suggestion took its place. */
  const [undo, setUndo] = useState<string | undefined>();
  const [asking, setAsking] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const isNote = draft.mode === "note";
  const text = isNote ? draft.note : draft.reply;
  const theirs = thread?.owner === "staff" && !here.isMine;
  /** What the reply may also correct; an answer that comes while it is written unticks the box. */
  const above = thread && !isNote && !theirs && text.trim() && !here.letters.value.length ? correctable(thread) : undefined;
  const corrects = above?.seq === draft.corrects ? draft.corrects : undefined;
  const tooLong = -room(text);
  const ready = text.trim().length > 0 && tooLong <= 0 && !running && (isNote || !theirs);

  const change = (next: Partial<Draft>): void => {
    setDraft((old) => {
      const fresh = { ...old, ...next };
      keepDraft(conv, fresh);
      return fresh;
    });
  };
  const write = (value: string): void => {
    change(isNote ? { note: value } : { reply: value, ...(value ? {} : { suggested: undefined, corrects: undefined }) });
    setUndo(undefined);
    setAsking(false);
  };
  const takeBack = (): void => {
    change({ reply: undo ?? "", suggested: undefined });
    setUndo(undefined);
    field.current?.focus();
  };

  useLayoutEffect(() => {
    const element = field.current!;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight + 2, 260)}px`;
  }, [text, draft.mode]);
  const wanted = wantComposer.value;
  // Before the next key arrives: what is meant as a note must not begin as a reply.
  useLayoutEffect(() => {
    if (!wanted) return;
    change({ mode: wanted.mode });
    field.current?.focus();
    wantComposer.value = undefined;
  }, [wanted]);
  const choice = useRef<HTMLDivElement>(null);
  useEffect(() => choice.current?.querySelector<HTMLElement>("[data-focus]")?.focus(), [asking]);
  const asked = wantSuggestion.value;
  useEffect(() => {
    if (!asked) return;
    wantSuggestion.value = 0;
    wish();
  }, [asked]);
  useEffect(() => () => running?.stop(), [running]);

  const send = (): void => {
    if (!ready) return;
    if (isNote) {
      if (!here.send({ t: "note", conv, text: text.trim() })) return toast(t("fault.offline_note"));
      change({ note: "", mode: "reply" });
    } else {
      here.say(text.trim(), { draft: draft.suggested, corrects });
      change({ reply: "", suggested: undefined, corrects: undefined });
    }
    setUndo(undefined);
    setSlash(undefined);
    field.current?.focus();
  };

  /** What somebody wrote gives way to a suggestion only if they say so; an unedited suggestion to a newer one. */
  const wish = (): void => {
    if (running || theirs) return;
    change({ mode: "reply" });
    if (draft.reply.trim() && draft.reply !== draft.suggested) setAsking(true);
    else void propose();
  };
  const propose = async (): Promise<void> => {
    const before = draft.reply === draft.suggested ? (undo ?? "") : draft.reply;
    setAsking(false);
    const made = here.suggestions.ask(conv, (so) => change({ reply: so }));
    setRunning(made);
    field.current?.focus();
    try {
      const whole = await made.done;
      change(whole ? { reply: whole, suggested: whole } : { reply: before, suggested: undefined });
      setUndo(whole ? before : undefined);
      if (!whole) toast(t("compose.nothing"));
    } catch (fault) {
      change({ reply: before, suggested: undefined });
      complain(fault);
    }
    setRunning(undefined);
    field.current?.focus();
  };

  const choices = slash ? matching(canned.value, slash.word) : [];
  const choose = (n: number): void => {
    const one = choices[n];
    if (!one || !slash) return;
    const filled = fillCanned(one.text, { name: here.row(conv)?.shopper.name ?? "", shop: door.value?.shop ?? "", agent: me.value?.display ?? "" });
    const caret = field.current!.selectionStart;
    write(text.slice(0, slash.from) + filled + text.slice(caret));
    setSlash(undefined);
    const end = slash.from + filled.length;
    requestAnimationFrame(() => {
      field.current?.focus();
      field.current?.setSelectionRange(end, end);
    });
  };

  const onKey = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (choices.length && slash) {
      const moves: Record<string, () => void> = {
        ArrowDown: () => setPicked((picked + 1) % choices.length),
        ArrowUp: () => setPicked((picked + choices.length - 1) % choices.length),
        Enter: () => choose(picked),
        Tab: () => choose(picked),
        Escape: () => setSlash(undefined),
      };
      const move = moves[event.key];
      if (move) return (event.preventDefault(), event.stopPropagation(), move());
    }
    if (event.key === "Enter" && !event.shiftKey) (event.preventDefault(), send());
    else if (event.key === "Escape") {
      event.stopPropagation();
      if (running) running.stop();
      else if (asking) setAsking(false);
      else if (undo !== undefined) takeBack();
      else field.current?.blur();
    }
  };

  const onInput = (element: HTMLTextAreaElement): void => {
    write(element.value);
    setSlash(slashWord(element.value, element.selectionStart));
    setPicked(0);
    if (!isNote) here.typing();
  };

  const tab = (mode: Mode, words: string): JSX.Element => (
    <button type="button" class="mode" aria-pressed={draft.mode === mode} onClick={() => (change({ mode }), field.current?.focus())}>
      {mode === "note" && <Icon shape="lock" />}
      {words}
    </button>
  );
  return (
    <div class={`composer${isNote ? " is-note" : ""}`}>
      <div class="composer-in">
        <div class="modes" role="group" aria-label={t("compose.mode")}>
          {tab("reply", t("compose.reply"))}
          {tab("note", t("compose.note"))}
          <p class="compose-hint cut small">{hint(isNote, theirs, thread?.staff)}</p>
        </div>
        <div class="write">
          {slash && choices.length > 0 && <CannedMenu choices={choices} picked={picked} onPick={choose} />}
          <textarea
            ref={field}
            rows={2}
            dir="auto"
            value={text}
            readOnly={running !== undefined}
            aria-label={isNote ? t("compose.note_label") : t("compose.reply_label")}
            aria-busy={running !== undefined}
            placeholder={isNote ? t("compose.note_placeholder") : running ? t("compose.working") : t("compose.reply_placeholder")}
            aria-controls={slash && choices.length ? "canned-menu" : undefined}
            aria-activedescendant={slash && choices.length ? `canned-${picked}` : undefined}
            onInput={(event) => onInput(event.currentTarget)}
            onKeyDown={onKey}
            onBlur={() => setTimeout(() => setSlash(undefined), 150)}
          />
        </div>
        {above && (
          <label class="check also">
            <input type="checkbox" checked={corrects !== undefined} onChange={(event) => change({ corrects: event.currentTarget.checked ? above.seq : undefined })} />
            <span>{t("compose.also_corrects")}</span>
          </label>
        )}
        {asking && (
          <div class="asking" ref={choice} role="alertdialog" aria-label={t("compose.replace")} onKeyDown={(event) => event.key === "Escape" && (event.stopPropagation(), setAsking(false), field.current?.focus())}>
            <span class="grow">{t("compose.replace")}</span>
            <Button look="tiny" onClick={() => (setAsking(false), field.current?.focus())}>{t("compose.keep")}</Button>
            <Button look="tiny primary" data-focus onClick={() => void propose()}>{t("compose.do_replace")}</Button>
          </div>
        )}
        <div class="tools">
          {running ? (
            <Button look="tiny" onClick={() => running.stop()}><span class="spin" aria-hidden="true" />{t("compose.stop")}</Button>
          ) : (
            !theirs && <Button look="tiny" icon="spark" tip={`${t("compose.suggest")} (s)`} disabled={!thread?.asked} onClick={wish}>{t("compose.suggest")}</Button>
          )}
          <Button
            look="tiny plain"
            icon="copy"
            tip={t("compose.canned")}
            onClick={() => {
              write(`${text}${text && !/\s$/.test(text) ? " " : ""}/`);
              field.current?.focus();
              requestAnimationFrame(() => setSlash(slashWord(field.current!.value, field.current!.value.length)));
            }}
          >
            {t("compose.canned")}
          </Button>
          {!isNote && draft.suggested !== undefined && !running && <span class="small dim pair">{draft.suggested === draft.reply ? t("compose.as_suggested") : t("compose.pair")}</span>}
          {!isNote && undo !== undefined && !running && <Button look="tiny plain" onClick={takeBack}>{t("compose.undo")}<kbd aria-hidden="true">Esc</kbd></Button>}
          <span class="grow" />
          {tooLong > 0 && <span class="small wrong" role="alert">{t("compose.too_long", { n: tooLong })}</span>}
          <Button look="primary tiny send" disabled={!ready} onClick={send}>{isNote ? t("compose.add_note") : t("compose.send")}<kbd aria-hidden="true">↵</kbd></Button>
        </div>
      </div>
    </div>
  );
}

function hint(isNote: boolean, theirs: boolean, staff: string | undefined): string {
  if (isNote) return t("compose.note_hint");
  if (theirs) return t("compose.theirs", { name: nameOf(staff) });
  return desk.value!.isMine ? "" : t("compose.takes_over");
}
