// Login: name and password, then the code where one is needed.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Fault, post } from "../../api";
import type { Me } from "../../contract";
import { t } from "../../i18n";
import { door, signedIn, wordsOf } from "../../state/app";
import { Button, Field } from "../../ui/kit";
import { Mark } from "../../ui/mark";

export function Login(): JSX.Element {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [asksCode, setAsksCode] = useState(false);
  const [recovery, setRecovery] = useState(false);
  const [fault, setFault] = useState("");
  const [busy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), [asksCode, recovery]);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setFault("");
    try {
      signedIn(await post<Me>("/v1/staff/login", { name: name.trim().toLowerCase(), password, ...(asksCode && { code: code.trim() }) }));
    } catch (problem) {
      if (problem instanceof Fault && problem.code === "code_required") setAsksCode(true);
      else setFault(wordsOf(problem));
    }
    setBusy(false);
  };
  return (
    <Gate>
      <h1>{asksCode ? t("login.second") : t("login.title", { shop: door.value?.shop ?? "Shopclerk" })}</h1>
      <form class="card" onSubmit={(event) => void submit(event)}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        {!asksCode ? (
          <>
            <Field label={t("login.name")}>{(ids) => <input {...ids} ref={first} class="input" name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
            <Field label={t("login.password")}>{(ids) => <input {...ids} class="input" type="password" name="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} />}</Field>
          </>
        ) : (
          <Field label={recovery ? t("login.recovery") : t("login.code")} hint={recovery ? t("login.recovery_hint") : t("login.code_hint")}>
            {(ids) => <input {...ids} key={String(recovery)} ref={first} class="input otp" name="code" autocomplete="one-time-code" inputMode={recovery ? "text" : "numeric"} maxLength={recovery ? 20 : 6} required value={code} onInput={(event) => setCode(event.currentTarget.value)} />}
          </Field>
        )}
        <Button type="submit" look="primary" disabled={busy}>{t("login.enter")}</Button>
        {asksCode && (
          <div class="row">
            <button type="button" class="linkish grow" onClick={() => (setRecovery(!recovery), setCode(""))}>{recovery ? t("login.use_code") : t("login.use_recovery")}</button>
            <button type="button" class="linkish" onClick={() => (setAsksCode(false), setCode(""), setFault(""))}>{t("ui.back")}</button>
          </div>
        )}
      </form>
      {door.value?.setup && <p class="small dim">{t("login.setup_hint")}</p>}
    </Gate>
  );
}

/** The frame of the pages before the login. */
export function Gate({ children }: { children: JSX.Element | (JSX.Element | false | undefined)[] }): JSX.Element {
  return (
    <main class="enter">
      <div class="enter-card">
        <p class="enter-brand"><Mark />Shopclerk</p>
        {children}
      </div>
    </main>
  );
}
