// Where a reply or a private note is written. What was begun survives a reload.

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../../i18n";
import { canned, complain, desk, door, me, nameOf } from "../../state/app";
import { type Draft, draftOf, fillCanned, keepDraft, type Mode, slashWord } from "../../state/drafts";
import { wantComposer, wantSuggestion } from "../../state/signals";
import { suggest, type Suggestion } from "../../state/suggest";
import { Icon } from "../../ui/icon";
import { Button, toast } from "../../ui/kit";
import { CannedMenu, matching } from "./canned";

const LONGEST = 4_000;

export function Composer({ conv }: { conv: string }): JSX.Element {
  const here = desk.value!;
  const thread = here.open.value?.thread;
  const [draft, setDraft] = useState<Draft>(() => draftOf(conv));
  const [slash, setSlash] = useState<{ from: number; word: string } | undefined>();
  const [picked, setPicked] = useState(0);
  const [running, setRunning] = useState<Suggestion | undefined>();
  const field = useRef<HTMLTextAreaElement>(null);
  const isNote = draft.mode === "note";
  const text = isNote ? draft.note : draft.reply;
  const theirs = thread?.owner === "staff" && !here.isMine;
  const tooLong = [...text].length - LONGEST;
  const ready = text.trim().length > 0 && tooLong <= 0 && !running && (isNote || !theirs);

  const change = (next: Partial<Draft>): void => {
    setDraft((old) => {
      const fresh = { ...old, ...next };
      keepDraft(conv, fresh);
      return fresh;
    });
  };
  const write = (value: string): void => change(isNote ? { note: value } : { reply: value, ...(value ? {} : { suggested: undefined }) });

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
  const asked = wantSuggestion.value;
  useEffect(() => {
    if (asked) void propose();
  }, [asked]);
  useEffect(() => () => running?.stop(), [running]);

  const send = (): void => {
    if (!ready) return;
    if (isNote) {
      if (!here.send({ t: "note", conv, text: text.trim() })) return toast(t("fault.offline_note"));
      change({ note: "", mode: "reply" });
    } else {
      here.say(text.trim(), draft.suggested);
      change({ reply: "", suggested: undefined });
    }
    setSlash(undefined);
    field.current?.focus();
  };

  const propose = async (): Promise<void> => {
    if (!suggest.value || running) return;
    const before = draft.reply;
    change({ mode: "reply" });
    const made = suggest.value(conv, (so) => change({ reply: so }));
    setRunning(made);
    try {
      const whole = await made.done;
      change({ reply: whole || before, suggested: whole || undefined });
    } catch (fault) {
      change({ reply: before });
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
    else if (event.key === "Escape") (event.stopPropagation(), running ? running.stop() : field.current?.blur());
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
            placeholder={isNote ? t("compose.note_placeholder") : t("compose.reply_placeholder")}
            aria-controls={slash && choices.length ? "canned-menu" : undefined}
            aria-activedescendant={slash && choices.length ? `canned-${picked}` : undefined}
            onInput={(event) => onInput(event.currentTarget)}
            onKeyDown={onKey}
            onBlur={() => setTimeout(() => setSlash(undefined), 150)}
          />
        </div>
        <div class="tools">
          {suggest.value && (running ? <Button look="tiny" onClick={() => running.stop()}><span class="spin" aria-hidden="true" />{t("compose.stop")}</Button> : <Button look="tiny" icon="spark" tip={`${t("compose.suggest")} (s)`} onClick={() => void propose()}>{t("compose.suggest")}</Button>)}
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
