// The team: who may come in, as what, and one-time links.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, post } from "../../api";
import type { Agent, Role } from "../../contract";
import { fullTime, t } from "../../i18n";
import { complain, me, people, readPeople, wordsOf } from "../../state/app";
import { Avatar, Button, Field, Sheet, toast } from "../../ui/kit";
import { Icon } from "../../ui/icon";
import { Card } from ".";

export function Agents(): JSX.Element {
  const [inviting, setInviting] = useState(false);
  const [link, setLink] = useState<{ who: string; link: string; expires_at: number } | undefined>();
  const [removing, setRemoving] = useState<Agent | undefined>();
  useEffect(() => void readPeople(), []);
  const act = async (work: Promise<unknown>, done?: string): Promise<void> => {
    await work.then(() => done && toast(done), complain);
    await readPeople();
  };
  const reset = (one: Agent): Promise<void> => act(post<{ link: string; expires_at: number }>(`/v1/staff/agents/${one.name}/reset`).then((made) => setLink({ who: one.display, ...made })));
  return (
    <Card title={t("set.agents")} lead={t("agents.lead")} side={<Button look="primary tiny" icon="plus" onClick={() => setInviting(true)}>{t("agents.invite")}</Button>}>
      {link && <OneTimeLink {...link} onDone={() => setLink(undefined)} />}
      <div class="scrollx" tabIndex={0} role="region" aria-label={t("set.agents")}>
        <table class="table stacks">
          <thead><tr><th scope="col">{t("agents.name")}</th><th scope="col">{t("agents.role")}</th><th scope="col">{t("agents.second")}</th><th scope="col">{t("agents.last")}</th><th scope="col"><span class="sr">{t("agents.acts")}</span></th></tr></thead>
          <tbody>
            {people.value.map((one) => (
              <tr key={one.name}>
                <td><span class="row"><Avatar small kind="staff" name={one.display} /><span class="cut" dir="auto">{one.display}</span><span class="dim small">{one.name}</span></span></td>
                <td>
                  <select class="input role-pick" aria-label={t("agents.role_of", { name: one.display })} value={one.role} onChange={(event) => void act(call("PATCH", `/v1/staff/agents/${one.name}`, { role: event.currentTarget.value as Role }))}>
                    <option value="agent">{t("role.agent")}</option>
                    <option value="admin">{t("role.admin")}</option>
                  </select>
                </td>
                <td data-head={t("agents.second")}>{one.state === "invited" ? <span class="tag wait">{t("agents.invited")}</span> : one.totp ? <span class="tag good">{t("acc.on")}</span> : <span class="tag">{t("acc.off")}</span>}</td>
                <td class="num small dim" data-head={t("agents.last")}>{one.login_at ? fullTime(one.login_at) : "–"}</td>
                <td>
                  <span class="row">
                    <Button look="tiny" onClick={() => void reset(one)}>{one.state === "invited" ? t("agents.new_link") : t("agents.reset")}</Button>
                    {one.name !== me.value?.name && <Button look="tiny danger" icon="trash" label={t("agents.remove_of", { name: one.display })} onClick={() => setRemoving(one)} />}
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {inviting && <Invite onDone={(made) => (setInviting(false), made && (setLink(made), void readPeople()))} />}
      {removing && (
        <Sheet title={t("agents.remove_of", { name: removing.display })} onClose={() => setRemoving(undefined)} footer={<><Button onClick={() => setRemoving(undefined)}>{t("ui.cancel")}</Button><Button look="danger" onClick={() => (void act(call("DELETE", `/v1/staff/agents/${removing.name}`), t("agents.removed")), setRemoving(undefined))}>{t("ui.remove")}</Button></>}>
          <p>{t("agents.remove_text")}</p>
        </Sheet>
      )}
    </Card>
  );
}

function OneTimeLink({ who, link, expires_at, onDone }: { who: string; link: string; expires_at: number; onDone: () => void }): JSX.Element {
  const address = new URL(link, location.origin).href;
  return (
    <div class="stack" role="status">
      <p>{t("agents.link_for", { name: who, time: fullTime(expires_at) })}</p>
      <div class="secret">
        <code>{address}</code>
        <Button look="tiny" icon="copy" onClick={() => void navigator.clipboard.writeText(address).then(() => toast(t("ui.copied")))}>{t("ui.copy")}</Button>
        <Button look="tiny plain" icon="close" label={t("ui.close")} onClick={onDone} />
      </div>
    </div>
  );
}

function Invite({ onDone }: { onDone: (made?: { who: string; link: string; expires_at: number }) => void }): JSX.Element {
  const [name, setName] = useState("");
  const [display, setDisplay] = useState("");
  const [role, setRole] = useState<Role>("agent");
  const [fault, setFault] = useState("");
  const save = async (): Promise<void> => {
    try {
      const made = await post<{ agent: Agent; link: string; expires_at: number }>("/v1/staff/agents", { name: name.trim().toLowerCase(), display: display.trim(), role });
      onDone({ who: made.agent.display, link: made.link, expires_at: made.expires_at });
    } catch (problem) {
      setFault(wordsOf(problem));
    }
  };
  return (
    <Sheet title={t("agents.invite")} onClose={() => onDone()}>
      <form class="stack" onSubmit={(event) => (event.preventDefault(), void save())}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        <Field label={t("once.display")}>{(ids) => <input {...ids} class="input" required maxLength={64} value={display} onInput={(event) => setDisplay(event.currentTarget.value)} />}</Field>
        <Field label={t("login.name")} hint={t("once.name_hint")}>{(ids) => <input {...ids} class="input" required autocapitalize="none" pattern="[a-zA-Z0-9._\-]{2,32}" value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
        <Field label={t("agents.role")} hint={role === "admin" ? t("agents.admin_hint") : t("agents.agent_hint")}>
          {(ids) => <select {...ids} class="input" value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}><option value="agent">{t("role.agent")}</option><option value="admin">{t("role.admin")}</option></select>}
        </Field>
        <Button type="submit" look="primary"><Icon shape="plus" />{t("agents.make_link")}</Button>
      </form>
    </Sheet>
  );
}
