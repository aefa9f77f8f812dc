// The open conversation: who it is with, who answers, what was said, and the composer.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, download, query } from "../../api";
import { span, t } from "../../i18n";
import { complain, desk, nameOf, shopperName } from "../../state/app";
import type { DeskSays } from "../../state/frames";
import { offered } from "../../state/offers";
import { panelOpen, wantComposer, wantTags } from "../../state/signals";
import { Icon, type Shape } from "../../ui/icon";
import { Avatar, Button, Empty, minute, Sheet, Spin, toast, useAway } from "../../ui/kit";
import { Team } from "./assign";
import { Composer } from "./composer";
import { Transcript } from "./transcript";

export function Conversation({ back, mark }: { back: string; mark: number | undefined }): JSX.Element {
  const here = desk.value!;
  const open = here.open.value;
  void here.listed.value;
  if (here.missing.value) return <section class="talk" aria-label={t("talk.label")}><Empty icon="warn" title={t("talk.missing")}><a href={back}>{t("talk.back")}</a></Empty></section>;
  if (!open) return <section class="talk" aria-label={t("talk.label")} />;
  const { thread } = open;
  const row = here.row(thread.conv);
  const name = row ? shopperName(row.shopper) : "…";
  return (
    <section class="talk" aria-label={t("talk.with", { name })}>
      <header class="talk-head">
        <a class="btn plain square back" href={back} aria-label={t("talk.back")}><Icon shape="back" /></a>
        <Avatar name={row?.shopper.name || row?.shopper.email} />
        <div class="talk-who">
          <h1 class="cut" dir="auto">{name}</h1>
          <Answering />
        </div>
        <Viewers names={(row?.viewers ?? []).filter((one) => one !== here.me)} />
        <Actions />
      </header>
      {thread.seq === 0 && !here.detail.value ? <div class="empty"><Spin /></div> : <Transcript open={open} mark={mark} />}
      <Composer conv={thread.conv} key={thread.conv} />
    </section>
  );
}

/** Who answers now, in one line. */
function Answering(): JSX.Element {
  const here = desk.value!;
  const { thread } = here.open.value!;
  const row = here.row(thread.conv);
  const [shape, words, look]: [Shape, string, string] = thread.resolved
    ? ["check", t("talk.resolved"), ""]
    : thread.owner === "ai"
      ? ["spark", t("talk.ai_answers"), ""]
      : thread.owner === "queue"
        ? ["clock", row?.waiting_since ? t("talk.waiting_for", { time: span(minute.value - row.waiting_since) }) : t("talk.waiting"), "hot"]
        : ["person", here.isMine ? t("talk.you_answer") : t("talk.staff_answers", { name: nameOf(thread.staff) }), here.isMine ? "mine" : ""];
  const why = thread.owner === "queue" && !thread.resolved && thread.reason ? ` · ${t(`why.${thread.reason}`)}` : "";
  return <p class={`owner ${look}`} aria-live="polite"><Icon shape={shape} /><span class="cut" title={words + why}>{words}{why}</span></p>;
}

function Viewers({ names }: { names: string[] }): JSX.Element | null {
  if (!names.length) return null;
  const words = t("talk.also_here", { names: names.map(nameOf).join(", ") });
  return (
    <div class="viewers" title={words}>
      {names.slice(0, 3).map((one) => <Avatar key={one} small kind="staff" name={nameOf(one)} />)}
      <span class="sr">{words}</span>
    </div>
  );
}

function Actions(): JSX.Element {
  const [assigning, setAssigning] = useState(false);
  const box = useAway<HTMLDivElement>(assigning ? () => setAssigning(false) : undefined);
  const here = desk.value!;
  const { thread } = here.open.value!;
  const { conv } = thread;
  const theirs = thread.owner === "staff" && !here.isMine;
  return (
    <div class="talk-acts anchor" ref={box}>
      {here.isMine ? (
        <Button look="wide" icon="back_to_ai" onClick={() => wish({ t: "release", conv })} tip={`${t("talk.release")} (h)`}><span class="words">{t("talk.release")}</span></Button>
      ) : (
        !theirs && <Button look={thread.owner === "queue" ? "primary wide" : "wide"} icon="hand" onClick={takeOver} tip={`${t("talk.take")} (t)`}><span class="words">{t("talk.take")}</span></Button>
      )}
      {thread.resolved ? (
        <Button look="wide" icon="reopen" onClick={reopen} tip={`${t("talk.reopen")} (o)`}><span class="words">{t("talk.reopen")}</span></Button>
      ) : (
        <Button look="wide" icon="check" onClick={resolve} tip={`${t("talk.resolve")} (e)`}><span class="words">{t("talk.resolve")}</span></Button>
      )}
      <Button look="plain to-team" icon="people" label={t("talk.assign")} aria-expanded={assigning} aria-haspopup="true" onClick={() => setAssigning(!assigning)} />
      <More onAssign={() => setAssigning(true)} />
      <Button look="plain" icon="panel" label={t("talk.panel")} aria-pressed={panelOpen.value} onClick={() => (panelOpen.value = !panelOpen.value)} />
      {assigning && <Team onDone={() => setAssigning(false)} />}
    </div>
  );
}

/** Sends what somebody has just clicked, or says that it cannot be sent. */
export function wish(frame: DeskSays): boolean {
  const sent = desk.value?.send(frame) === true;
  if (!sent) toast(t("fault.offline"));
  return sent;
}

/** The model is silent from here on, and the cursor is where the answer goes. */
export function takeOver(): void {
  const thread = desk.value?.open.value?.thread;
  if (thread && wish({ t: "take", conv: thread.conv })) wantComposer.value = { mode: "reply" };
}

export function resolve(): void {
  const thread = desk.value?.open.value?.thread;
  if (thread && !thread.resolved && wish({ t: "resolve", conv: thread.conv })) {
    const { conv } = thread;
    toast(t("talk.resolved_toast"), { label: t("talk.reopen"), run: () => void wish({ t: "reopen", conv }) });
  }
}

export function reopen(): void {
  const thread = desk.value?.open.value?.thread;
  if (thread?.resolved) wish({ t: "reopen", conv: thread.conv });
}

function More({ onAssign }: { onAssign: () => void }): JSX.Element {
  const [open, setOpen] = useState(false);
  const [blocking, setBlocking] = useState(false);
  const box = useAway<HTMLDivElement>(open ? () => setOpen(false) : undefined);
  const here = desk.value!;
  const { conv } = here.open.value!.thread;
  const shopper = here.row(conv)?.shopper;
  const exports = offered("/v1/staff/conversations/{conv}/export");
  const blocks = Boolean(shopper?.id) && offered("/v1/staff/shoppers/{shopper}/block");
  const save = (format: "text" | "json"): void => {
    setOpen(false);
    const path = query(`/v1/staff/conversations/${encodeURIComponent(conv)}/export`, { format, offset: -new Date().getTimezoneOffset() });
    void download(path, `conversation-${conv}.${format === "text" ? "txt" : "json"}`).catch(complain);
  };
  return (
    <div class="anchor" ref={box}>
      <Button look="plain" icon="more" label={t("talk.more")} aria-expanded={open} aria-haspopup="true" onClick={() => setOpen(!open)} />
      {open && (
        <div class="menu end">
          <button type="button" class="on-phone" onClick={() => (setOpen(false), onAssign())}><Icon shape="people" />{t("talk.assign")}</button>
          <button type="button" onClick={() => (setOpen(false), (panelOpen.value = true), wantTags.value++)}><Icon shape="tag" />{t("talk.edit_tags")}</button>
          {exports && <button type="button" onClick={() => save("text")}><Icon shape="download" />{t("talk.export_text")}</button>}
          {exports && <button type="button" onClick={() => save("json")}><Icon shape="file" />{t("talk.export_json")}</button>}
          {blocks && <hr />}
          {blocks && <button type="button" class="danger" onClick={() => (setOpen(false), setBlocking(true))}><Icon shape="block" />{shopper?.blocked ? t("talk.unblock") : t("talk.block")}</button>}
        </div>
      )}
      {blocking && shopper?.id && <Block shopper={shopper.id} blocked={shopper.blocked} onDone={() => setBlocking(false)} />}
    </div>
  );
}

function Block({ shopper, blocked, onDone }: { shopper: string; blocked: boolean; onDone: () => void }): JSX.Element {
  const [reason, setReason] = useState("");
  const act = async (): Promise<void> => {
    try {
      await call(blocked ? "DELETE" : "POST", `/v1/staff/shoppers/${encodeURIComponent(shopper)}/block`, blocked ? undefined : reason.trim() ? { reason: reason.trim() } : {});
      toast(blocked ? t("talk.unblocked") : t("talk.blocked"));
      void desk.value?.refresh();
    } catch (fault) {
      complain(fault);
    }
    onDone();
  };
  return (
    <Sheet
      title={blocked ? t("talk.unblock") : t("talk.block")}
      onClose={onDone}
      footer={<><Button onClick={onDone}>{t("ui.cancel")}</Button><Button look={blocked ? "primary" : "danger"} onClick={() => void act()}>{blocked ? t("talk.unblock") : t("talk.block")}</Button></>}
    >
      <p>{blocked ? t("talk.unblock_text") : t("talk.block_text")}</p>
      {!blocked && <label class="field"><span class="legend">{t("talk.block_reason")}</span><input class="input" maxLength={200} value={reason} onInput={(event) => setReason(event.currentTarget.value)} /></label>}
    </Sheet>
  );
}
