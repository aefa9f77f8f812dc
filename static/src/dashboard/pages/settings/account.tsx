// One's own account: password, second factor, where one is logged in.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, get, post } from "../../api";
import type { Me, SessionInfo } from "../../contract";
import { fullTime, t } from "../../i18n";
import { complain, me, wordsOf } from "../../state/app";
import { Button, Field, Spin, toast } from "../../ui/kit";
import { LEAST } from "../enter/onetime";
import { Card } from ".";

export function Account(): JSX.Element {
  return <><Password /><SecondFactor /><Sessions /></>;
}

function Password(): JSX.Element {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [fault, setFault] = useState("");
  const short = fresh.length > 0 && fresh.length < LEAST;
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (short) return;
    setFault("");
    try {
      me.value = await post<Me>("/v1/staff/password", { old, new: fresh });
      setOld("");
      setFresh("");
      toast(t("acc.password_changed"));
    } catch (problem) {
      setFault(wordsOf(problem));
    }
  };
  return (
    <Card title={t("acc.password")} lead={t("acc.password_lead")}>
      <form onSubmit={(event) => void save(event)}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        <input type="text" name="username" autocomplete="username" value={me.value?.name} hidden readOnly />
        <Field label={t("acc.old")}>{(ids) => <input {...ids} class="input" type="password" autocomplete="current-password" required value={old} onInput={(event) => setOld(event.currentTarget.value)} />}</Field>
        <Field label={t("acc.new")} hint={t("once.password_hint", { n: LEAST })} wrong={short ? t("once.password_hint", { n: LEAST }) : undefined}>{(ids) => <input {...ids} class="input" type="password" autocomplete="new-password" minLength={LEAST} required value={fresh} onInput={(event) => setFresh(event.currentTarget.value)} />}</Field>
        <div><Button type="submit" look="primary" disabled={!old || fresh.length < LEAST}>{t("acc.change")}</Button></div>
      </form>
    </Card>
  );
}

interface Begun {
  secret: string;
  uri: string;
  qr: string;
}

function SecondFactor(): JSX.Element {
  const [password, setPassword] = useState("");
  const [begun, setBegun] = useState<Begun | undefined>();
  const [code, setCode] = useState("");
  const [recovery, setRecovery] = useState<string[]>([]);
  const [fault, setFault] = useState("");
  const on = me.value?.totp === true;
  const act = async (work: () => Promise<void>): Promise<void> => {
    setFault("");
    try {
      await work();
    } catch (problem) {
      setFault(wordsOf(problem));
    }
  };
  const read = async (): Promise<void> => {
    me.value = await get<Me>("/v1/staff/me");
  };
  const begin = (): Promise<void> => act(async () => {
    setBegun(await post<Begun>("/v1/staff/totp", { password }));
    setPassword("");
  });
  const confirm = (): Promise<void> => act(async () => {
    setRecovery((await call<{ recovery: string[] }>("PUT", "/v1/staff/totp", { code: code.trim() })).recovery);
    setBegun(undefined);
    setCode("");
    await read();
  });
  const end = (): Promise<void> => act(async () => {
    await call("DELETE", "/v1/staff/totp", { password });
    setPassword("");
    setRecovery([]);
    await read();
  });
  return (
    <Card title={t("acc.totp")} lead={t("acc.totp_lead")} side={<span class={`tag ${on ? "good" : ""}`}>{on ? t("acc.on") : t("acc.off")}</span>}>
      {fault && <p class="fault" role="alert">{fault}</p>}
      {recovery.length > 0 && (
        <div class="stack">
          <p class="ok" role="status">{t("acc.recovery_shown")}</p>
          <div class="codes">{recovery.map((one) => <span key={one}>{one}</span>)}</div>
          <div class="row">
            <Button icon="copy" onClick={() => void navigator.clipboard.writeText(recovery.join("\n")).then(() => toast(t("ui.copied")))}>{t("ui.copy")}</Button>
            <Button onClick={() => setRecovery([])}>{t("acc.recovery_kept")}</Button>
          </div>
        </div>
      )}
      {begun ? (
        <form onSubmit={(event) => (event.preventDefault(), void confirm())}>
          <p>{t("acc.scan")}</p>
          <img class="qr" alt={t("acc.qr")} src={`data:image/svg+xml,${encodeURIComponent(begun.qr)}`} />
          <p class="small dim">{t("acc.by_hand")} <code class="mono">{begun.secret}</code></p>
          <Field label={t("login.code")}>{(ids) => <input {...ids} class="input otp" autocomplete="one-time-code" inputMode="numeric" maxLength={6} required value={code} onInput={(event) => setCode(event.currentTarget.value)} />}</Field>
          <div class="row"><Button type="submit" look="primary" disabled={code.trim().length !== 6}>{t("acc.turn_on")}</Button><Button onClick={() => setBegun(undefined)}>{t("ui.cancel")}</Button></div>
        </form>
      ) : recovery.length === 0 && (
        <form onSubmit={(event) => (event.preventDefault(), void (on ? end() : begin()))}>
          {on && <p class="small dim">{t("acc.recovery_left", { n: me.value?.recovery_left ?? 0 })}</p>}
          <Field label={t("login.password")} hint={t("acc.password_again")}>{(ids) => <input {...ids} class="input" type="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} />}</Field>
          <div><Button type="submit" look={on ? "danger" : ""} disabled={!password}>{on ? t("acc.turn_off") : t("acc.set_up")}</Button></div>
        </form>
      )}
    </Card>
  );
}

function Sessions(): JSX.Element {
  const [sessions, setSessions] = useState<SessionInfo[] | undefined>();
  const read = (): Promise<void> => get<{ sessions: SessionInfo[] }>("/v1/staff/sessions").then((one) => setSessions(one.sessions), complain);
  useEffect(() => void read(), []);
  const end = async (): Promise<void> => {
    await call("DELETE", "/v1/staff/sessions").then(() => toast(t("acc.ended")), complain);
    await read();
  };
  return (
    <Card title={t("acc.sessions")} side={(sessions?.length ?? 0) > 1 && <Button look="tiny" onClick={() => void end()}>{t("acc.end_others")}</Button>}>
      {!sessions ? <Spin /> : (
        <div class="scrollx" tabIndex={0} role="region" aria-label={t("acc.sessions")}>
          <table class="table stacks">
            <thead><tr><th scope="col">{t("acc.browser")}</th><th scope="col">{t("acc.address")}</th><th scope="col">{t("acc.seen")}</th></tr></thead>
            <tbody>{sessions.map((one) => <tr key={one.id}><td class="cut" title={one.agent}>{browserOf(one.agent)} {one.current && <span class="tag blue">{t("acc.this_one")}</span>}</td><td class="mono">{one.address}</td><td class="num">{fullTime(one.seen_at)}</td></tr>)}</tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

/** `Firefox · Windows`, as far as the header tells. */
export function browserOf(agent: string): string {
  const find = (names: [RegExp, string][]): string | undefined => names.find(([sign]) => sign.test(agent))?.[1];
  const browser = find([[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\//, "Firefox"], [/Chrom(e|ium)\//, "Chrome"], [/Safari\//, "Safari"]]);
  const system = find([[/iPhone|iPad/, "iOS"], [/Android/, "Android"], [/Windows/, "Windows"], [/Mac OS X/, "macOS"], [/Linux/, "Linux"]]);
  return [browser, system].filter(Boolean).join(" · ") || agent.slice(0, 60);
}
