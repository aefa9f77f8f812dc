// Webhooks: which programs of the shop are told what, and what did not reach them.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, get, post } from "../../api";
import { type Hook, HOOK_EVENTS, type HookEvent, type Hooks, type ShownHook } from "../../contract";
import { fullTime, known, t, tn } from "../../i18n";
import { complain, wordsOf } from "../../state/app";
import { Button, Empty, Field, Sheet, Spin, toast } from "../../ui/kit";
import { Card } from ".";

const LOOK_MS = 5_000;
const pathOf = (id: string, act = ""): string => `/v1/staff/webhooks/${encodeURIComponent(id)}${act}`;
const hostOf = (url: string): string => /^[a-z]+:\/\/([^/?#]+)/.exec(url)?.[1] ?? url;
const wordOf = (event: HookEvent): string => known(`hookevent.${event}`) ?? event;

type Sheets = { is: "edit"; hook?: ShownHook } | { is: "remove" | "secret"; hook: ShownHook };

export function Webhooks(): JSX.Element {
  const [all, setAll] = useState<Hooks | undefined>();
  const [sheet, setSheet] = useState<Sheets | undefined>();
  const [secret, setSecret] = useState("");
  const read = (): Promise<void> => get<Hooks>("/v1/staff/webhooks").then(setAll, complain);
  useEffect(() => {
    void read();
    const timer = setInterval(() => void read(), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  const close = (): void => (setSheet(undefined), void read());
  const remove = (hook: Hook): Promise<void> => call<void>("DELETE", pathOf(hook.id)).catch(complain).then(close);
  const renew = (hook: Hook): Promise<void> => post<{ secret: string }>(pathOf(hook.id, "/secret")).then((one) => setSecret(one.secret), complain).then(close);
  const [before, after] = t("hook.lead").split("{link}");
  return (
    <Card title={t("set.webhooks")} lead={<>{before}<code>{t("hook.docs")}</code>{after}</>} side={<Button look="primary tiny" icon="plus" onClick={() => setSheet({ is: "edit" })}>{t("hook.new")}</Button>}>
      {secret && (
        <div class="stack" role="status">
          <p>{t("hook.secret")}</p>
          <div class="secret"><code>{secret}</code><Button look="tiny" icon="copy" onClick={() => void navigator.clipboard.writeText(secret).then(() => toast(t("ui.copied")))}>{t("ui.copy")}</Button><Button look="tiny plain" icon="close" label={t("ui.close")} onClick={() => setSecret("")} /></div>
        </div>
      )}
      {all && all.dropped > 0 && <p class="warning" role="status">{t("hook.dropped", { n: all.dropped })}</p>}
      {!all ? <Spin /> : all.webhooks.length === 0 ? <Empty icon="bell" title={t("hook.none")}>{t("hook.none_hint")}</Empty> : (
        <ul class="hooks">{all.webhooks.map((hook) => <One key={hook.id} hook={hook} open={setSheet} read={read} />)}</ul>
      )}
      {sheet?.is === "edit" && <Edit hook={sheet.hook} open={all?.allow_private === true} onDone={(made) => (made && setSecret(made), close())} />}
      {sheet?.is === "remove" && (
        <Sheet title={t("hook.remove_of", { host: hostOf(sheet.hook.url) })} onClose={close} footer={<><Button onClick={close}>{t("ui.cancel")}</Button><Button look="danger" onClick={() => void remove(sheet.hook)}>{t("ui.remove")}</Button></>}><p>{t("hook.remove_text")}</p></Sheet>
      )}
      {sheet?.is === "secret" && (
        <Sheet title={t("hook.new_secret")} onClose={close} footer={<><Button onClick={close}>{t("ui.cancel")}</Button><Button look="primary" onClick={() => void renew(sheet.hook)}>{t("hook.new_secret")}</Button></>}><p>{t("hook.new_secret_text")}</p></Sheet>
      )}
    </Card>
  );
}

function One({ hook, open, read }: { hook: ShownHook; open: (sheet: Sheets) => void; read: () => Promise<void> }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<{ ok: boolean; words: string } | undefined>();
  const host = hostOf(hook.url);
  const test = async (): Promise<void> => {
    setBusy(true);
    setTold(undefined);
    await post<{ ok: boolean; status?: number; error?: string; ms: number }>(pathOf(hook.id, "/test")).then(
      (one) => setTold({ ok: one.ok, words: one.ok ? t("hook.tested", { status: one.status ?? 200, ms: one.ms }) : t("hook.not_tested", { error: one.error ?? "" }) }),
      complain,
    );
    setBusy(false);
    await read();
  };
  const retry = (): Promise<void> => post<{ queued: number }>(pathOf(hook.id, "/retry")).then((one) => toast(tn("hook.retried", one.queued)), complain).then(read);
  return (
    <li>
      <div class="row wrap">
        <p class="mono cut grow" title={hook.url} dir="ltr">{hook.url}</p>
        <span class={`tag ${hook.enabled ? "good" : ""}`}>{hook.enabled ? t("hook.enabled") : t("hook.off")}</span>
      </div>
      <p class="row wrap">{hook.events.map((event) => <span class="tag" key={event}>{wordOf(event)}</span>)}</p>
      <p class="small dim">
        {hook.delivered_at ? t("hook.delivered", { time: fullTime(hook.delivered_at) }) : t("hook.never")}
        {hook.waiting > 0 && ` · ${tn("hook.waiting", hook.waiting)}`}
      </p>
      {hook.error && hook.failed_at && <p class="small wrong">{t("hook.failed", { time: fullTime(hook.failed_at), error: hook.error })}</p>}
      <div role="status">{told && <p class={told.ok ? "ok" : "fault"}>{told.words}</p>}</div>
      <div class="row wrap">
        <Button look="tiny" icon="send" disabled={busy} onClick={() => void test()}>{t("hook.test")}</Button>
        <Button look="tiny" icon="pen" aria-label={t("hook.change_of", { host })} onClick={() => open({ is: "edit", hook })}>{t("hook.change")}</Button>
        <Button look="tiny" icon="key" onClick={() => open({ is: "secret", hook })}>{t("hook.new_secret")}</Button>
        <Button look="tiny danger" icon="trash" label={t("hook.remove_of", { host })} onClick={() => open({ is: "remove", hook })} />
      </div>
      {hook.dead.length > 0 && (
        <details class="fold">
          <summary>{tn("hook.dead", hook.dead.length)}</summary>
          <ul class="small dead">
            {hook.dead.slice(0, 20).map((one) => <li key={one.id}><span class="num">{fullTime(one.at)}</span> {wordOf(one.event)} · {tn("hook.dead_tries", one.tries)} · <span class="wrong">{one.error}</span></li>)}
          </ul>
          <Button look="tiny" icon="reopen" onClick={() => void retry()}>{t("hook.retry")}</Button>
        </details>
      )}
    </li>
  );
}

function Edit({ hook, open, onDone }: { hook: ShownHook | undefined; open: boolean; onDone: (secret?: string) => void }): JSX.Element {
  const [url, setUrl] = useState(hook?.url ?? "");
  const [events, setEvents] = useState<HookEvent[]>(hook?.events ?? ["conversation.handed_off"]);
  const [enabled, setEnabled] = useState(hook?.enabled ?? true);
  const [fault, setFault] = useState("");
  const save = async (): Promise<void> => {
    const wanted = { url: url.trim(), events, enabled };
    try {
      onDone(hook ? (await call("PUT", pathOf(hook.id), wanted), undefined) : (await post<{ secret: string }>("/v1/staff/webhooks", wanted)).secret);
    } catch (problem) {
      setFault(wordsOf(problem));
    }
  };
  return (
    <Sheet title={hook ? t("hook.edit") : t("hook.new")} onClose={() => onDone()}>
      <form class="stack" onSubmit={(event) => (event.preventDefault(), void save())}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        <Field label={t("hook.url")} hint={open ? t("hook.url_private") : t("hook.url_hint")}>{(ids) => <input {...ids} class="input mono" dir="ltr" inputmode="url" required maxLength={2000} spellcheck={false} placeholder="https://" value={url} onInput={(event) => setUrl(event.currentTarget.value)} />}</Field>
        <fieldset class="plain-set stack">
          <legend class="legend">{t("hook.events")}</legend>
          {HOOK_EVENTS.map((one) => (
            <label class="check" key={one}>
              <input type="checkbox" checked={events.includes(one)} onChange={(event) => setEvents(event.currentTarget.checked ? [...events, one] : events.filter((other) => other !== one))} />
              <span>{wordOf(one)}<br /><code class="small dim">{one}</code></span>
            </label>
          ))}
        </fieldset>
        <label class="check"><input type="checkbox" checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} /><span>{t("hook.enabled")}</span></label>
        <div class="row ends"><Button onClick={() => onDone()}>{t("ui.cancel")}</Button><Button type="submit" look="primary">{t("ui.save")}</Button></div>
      </form>
    </Sheet>
  );
}
