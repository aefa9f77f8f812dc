// A one-time link: the first account, an invitation, or a new password.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Fault, post } from "../../api";
import type { Invite, Me } from "../../contract";
import { t } from "../../i18n";
import { enter, signedIn, wordsOf } from "../../state/app";
import { goInstead } from "../../state/router";
import { Button, Field, Spin } from "../../ui/kit";
import { Gate } from "./login";

export const LEAST = 10;

export function OneTime({ token }: { token: string }): JSX.Element {
  const [invite, setInvite] = useState<Invite | undefined>();
  const [dead, setDead] = useState("");
  const [name, setName] = useState("");
  const [display, setDisplay] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [fault, setFault] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    post<Invite>("/v1/staff/invite/check", { token }).then(setInvite, (problem) => setDead(problem instanceof Fault && problem.code === "link_invalid" ? t("once.dead") : wordsOf(problem)));
  }, [token]);

  const setup = invite?.kind === "setup";
  const short = password.length > 0 && password.length < LEAST;
  const differs = again.length > 0 && again !== password;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (short || password !== again) return;
    setBusy(true);
    setFault("");
    try {
      const who = setup
        ? await post<Me>("/v1/staff/setup", { token, name: name.trim().toLowerCase(), display: display.trim(), password })
        : await post<Me>("/v1/staff/invite", { token, password });
      // The token must not stay in the address.
      goInstead({ page: "inbox", tab: "waiting", filters: {} });
      signedIn(who);
    } catch (problem) {
      setFault(wordsOf(problem));
    }
    setBusy(false);
  };
  if (dead) {
    return (
      <Gate>
        <h1>{t("once.dead_title")}</h1>
        <div class="card"><p role="alert">{dead}</p><Button onClick={() => (goInstead({ page: "inbox", tab: "waiting", filters: {} }), void enter())}>{t("login.enter")}</Button></div>
      </Gate>
    );
  }
  if (!invite) return <div class="enter"><Spin /></div>;
  return (
    <Gate>
      <h1>{setup ? t("once.setup") : invite.kind === "invite" ? t("once.invite", { name: invite.display ?? "" }) : t("once.reset")}</h1>
      <p class="dim">{setup ? t("once.setup_text") : invite.kind === "invite" ? t("once.invite_text") : t("once.reset_text")}</p>
      <form class="card" onSubmit={(event) => void submit(event)}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        {setup && <Field label={t("once.display")} hint={t("once.display_hint")}>{(ids) => <input {...ids} class="input" autocomplete="name" maxLength={64} required value={display} onInput={(event) => setDisplay(event.currentTarget.value)} />}</Field>}
        {setup ? (
          <Field label={t("login.name")} hint={t("once.name_hint")}>{(ids) => <input {...ids} class="input" name="username" autocomplete="username" autocapitalize="none" spellcheck={false} pattern="[a-zA-Z0-9._\-]{2,32}" required value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
        ) : (
          <Field label={t("login.name")}>{(ids) => <input {...ids} class="input" name="username" autocomplete="username" value={invite.name ?? ""} disabled />}</Field>
        )}
        <Field label={t("once.password")} hint={t("once.password_hint", { n: LEAST })} wrong={short ? t("once.password_hint", { n: LEAST }) : undefined}>{(ids) => <input {...ids} class="input" type="password" name="password" autocomplete="new-password" minLength={LEAST} required value={password} onInput={(event) => setPassword(event.currentTarget.value)} />}</Field>
        <Field label={t("once.again")} wrong={differs ? t("once.differs") : undefined}>{(ids) => <input {...ids} class="input" type="password" autocomplete="new-password" required value={again} onInput={(event) => setAgain(event.currentTarget.value)} />}</Field>
        <Button type="submit" look="primary" disabled={busy || short || differs}>{setup ? t("once.create") : t("once.go")}</Button>
      </form>
    </Gate>
  );
}
