// Canned replies: a shortcut, a title, a text with places for names.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call } from "../../api";
import type { Canned } from "../../contract";
import { t } from "../../i18n";
import { canned, complain, door, me, nameOf, readCanned, wordsOf } from "../../state/app";
import { fillCanned } from "../../state/drafts";
import { Button, Empty, Field, Sheet } from "../../ui/kit";
import { Card } from ".";

type Open = Pick<Canned, "shortcut" | "title" | "text"> & { id?: string };

export function CannedReplies(): JSX.Element {
  const [open, setOpen] = useState<Open | undefined>();
  const remove = async (id: string): Promise<void> => {
    await call("DELETE", `/v1/staff/canned/${encodeURIComponent(id)}`).catch(complain);
    await readCanned();
  };
  return (
    <Card title={t("set.canned")} lead={t("canned.lead")} side={<Button look="primary tiny" icon="plus" onClick={() => setOpen({ shortcut: "", title: "", text: "" })}>{t("canned.new")}</Button>}>
      {canned.value.length === 0 ? <Empty icon="reply" title={t("canned.none")}>{t("canned.none_hint")}</Empty> : (
        <div class="scrollx" tabIndex={0} role="region" aria-label={t("set.canned")}>
          <table class="table stacks">
            <thead><tr><th scope="col">{t("canned.shortcut")}</th><th scope="col">{t("canned.text")}</th><th scope="col">{t("canned.by")}</th><th scope="col"><span class="sr">{t("agents.acts")}</span></th></tr></thead>
            <tbody>
              {canned.value.map((one) => (
                <tr key={one.id}>
                  <td class="mono">/{one.shortcut}</td>
                  <td class="canned-cell"><p class="strong cut" dir="auto">{one.title}</p><p class="dim cut" dir="auto">{one.text}</p></td>
                  <td class="small dim" data-head={t("canned.by")}>{nameOf(one.by)}</td>
                  <td><span class="row"><Button look="tiny" icon="pen" label={t("canned.edit_of", { name: one.title })} onClick={() => setOpen(one)} /><Button look="tiny danger" icon="trash" label={t("canned.remove_of", { name: one.title })} onClick={() => void remove(one.id)} /></span></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {open && <Edit open={open} onDone={() => (setOpen(undefined), void readCanned())} />}
    </Card>
  );
}

function Edit({ open, onDone }: { open: Open; onDone: () => void }): JSX.Element {
  const [{ shortcut, title, text }, setValues] = useState({ shortcut: open.shortcut, title: open.title, text: open.text });
  const [fault, setFault] = useState("");
  const set = (change: Partial<Open>): void => setValues((old) => ({ ...old, ...change }));
  const save = async (): Promise<void> => {
    try {
      await call(open.id ? "PUT" : "POST", open.id ? `/v1/staff/canned/${encodeURIComponent(open.id)}` : "/v1/staff/canned", { shortcut: shortcut.trim().toLowerCase(), title: title.trim(), text: text.trim() });
      onDone();
    } catch (problem) {
      setFault(wordsOf(problem));
    }
  };
  const shown = fillCanned(text, { name: t("canned.sample_name"), shop: door.value?.shop ?? "", agent: me.value?.display ?? "" });
  return (
    <Sheet title={open.id ? t("canned.edit") : t("canned.new")} onClose={onDone}>
      <form class="stack" onSubmit={(event) => (event.preventDefault(), void save())}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        <Field label={t("canned.shortcut")} hint={t("canned.shortcut_hint")}>{(ids) => <input {...ids} class="input" required pattern="[a-zA-Z0-9_\-]{1,32}" value={shortcut} onInput={(event) => set({ shortcut: event.currentTarget.value })} />}</Field>
        <Field label={t("canned.title")}>{(ids) => <input {...ids} class="input" required maxLength={80} value={title} onInput={(event) => set({ title: event.currentTarget.value })} />}</Field>
        <Field label={t("canned.text")} hint={t("canned.text_hint")}>{(ids) => <textarea {...ids} class="input" required rows={5} maxLength={4000} dir="auto" value={text} onInput={(event) => set({ text: event.currentTarget.value })} />}</Field>
        {shown.trim() && <div class="beside"><p class="beside-head">{t("canned.preview")}</p><p class="plain" dir="auto">{shown}</p></div>}
        <Button type="submit" look="primary">{t("ui.save")}</Button>
      </form>
    </Sheet>
  );
}
