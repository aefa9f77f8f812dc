// Correcting a reply of the model in its place: what it said stays, what it should have said stands beside it.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { room } from "../../../room";
import { t } from "../../i18n";
import { desk } from "../../state/app";
import type { Reply } from "../../state/thread";
import { Button, toast } from "../../ui/kit";

export function Correct({ reply, onDone }: { reply: Reply; onDone: () => void }): JSX.Element {
  const [text, setText] = useState(reply.correction?.text ?? reply.text);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const element = field.current!;
    element.focus();
    element.setSelectionRange(element.value.length, element.value.length);
  }, []);
  const before = reply.correction?.text ?? reply.text;
  const tooLong = -room(text);
  const ready = text.trim().length > 0 && tooLong <= 0 && text.trim() !== before.trim();
  const save = (): void => {
    const here = desk.value!;
    if (!ready) return;
    if (!here.send({ t: "correct", conv: here.open.value!.thread.conv, seq: reply.seq, text: text.trim() })) return toast(t("fault.offline"));
    onDone();
  };
  return (
    <form
      class="beside good correct"
      onSubmit={(event) => (event.preventDefault(), save())}
      onKeyDown={(event) => {
        if (event.key === "Escape") (event.stopPropagation(), onDone());
        else if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) (event.preventDefault(), save());
      }}
    >
      <label class="field">
        <span class="legend">{t("entry.should_have_said")}</span>
        <textarea ref={field} class="input" dir="auto" rows={Math.min(12, Math.max(3, text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / 58)), 0)))} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      {tooLong > 0 && <p class="small wrong" role="alert">{t("compose.too_long", { n: tooLong })}</p>}
      <p class="hint small dim">{t("entry.correct_hint")}</p>
      <div class="row">
        <Button type="submit" look="primary tiny" disabled={!ready}>{t("entry.save_correction")}</Button>
        <Button look="tiny" onClick={onDone}>{t("ui.cancel")}</Button>
      </div>
    </form>
  );
}
