// Keys for programs of the shop, each with its own rights.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, get, post } from "../../api";
import type { Key, Scope } from "../../contract";
import { fullTime, t } from "../../i18n";
import { complain, nameOf, wordsOf } from "../../state/app";
import { Button, Empty, Field, Sheet, Spin, toast } from "../../ui/kit";
import { Card } from ".";

const SCOPES: Scope[] = ["read", "write", "train", "complete", "metrics"];

export function Keys(): JSX.Element {
  const [keys, setKeys] = useState<Key[] | undefined>();
  const [making, setMaking] = useState(false);
  const [secret, setSecret] = useState("");
  const [ending, setEnding] = useState<Key | undefined>();
  const read = (): Promise<void> => get<{ keys: Key[] }>("/v1/staff/keys").then((one) => setKeys(one.keys), complain);
  useEffect(() => void read(), []);
  const end = async (key: Key): Promise<void> => {
    setEnding(undefined);
    await call("DELETE", `/v1/staff/keys/${encodeURIComponent(key.id)}`).catch(complain);
    await read();
  };
  return (
    <Card title={t("set.keys")} lead={t("keysec.lead")} side={<Button look="primary tiny" icon="plus" onClick={() => setMaking(true)}>{t("keysec.new")}</Button>}>
      {secret && (
        <div class="stack" role="status">
          <p>{t("keysec.once")}</p>
          <div class="secret"><code>{secret}</code><Button look="tiny" icon="copy" onClick={() => void navigator.clipboard.writeText(secret).then(() => toast(t("ui.copied")))}>{t("ui.copy")}</Button><Button look="tiny plain" icon="close" label={t("ui.close")} onClick={() => setSecret("")} /></div>
        </div>
      )}
      {!keys ? <Spin /> : keys.length === 0 ? <Empty icon="key" title={t("keysec.none")} /> : (
        <div class="scrollx" tabIndex={0} role="region" aria-label={t("set.keys")}>
          <table class="table stacks">
            <thead><tr><th scope="col">{t("keysec.name")}</th><th scope="col">{t("keysec.scopes")}</th><th scope="col">{t("keysec.made")}</th><th scope="col">{t("keysec.used")}</th><th scope="col"><span class="sr">{t("agents.acts")}</span></th></tr></thead>
            <tbody>
              {keys.map((one) => (
                <tr key={one.id}>
                  <td class="strong" dir="auto">{one.name}</td>
                  <td><span class="row wrap">{one.scopes.map((scope) => <span class="tag" key={scope}>{scope}</span>)}</span></td>
                  <td class="small dim num" data-head={t("keysec.made")}>{fullTime(one.created_at)} · {nameOf(one.by)}</td>
                  <td class="small dim num" data-head={t("keysec.used")}>{one.used_at ? fullTime(one.used_at) : "–"}</td>
                  <td><Button look="tiny danger" onClick={() => setEnding(one)}>{t("keysec.end")}</Button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {making && <Make onDone={(made) => (setMaking(false), made && setSecret(made), void read())} />}
      {ending && (
        <Sheet title={t("keysec.end_of", { name: ending.name })} onClose={() => setEnding(undefined)} footer={<><Button onClick={() => setEnding(undefined)}>{t("ui.cancel")}</Button><Button look="danger" onClick={() => void end(ending)}>{t("keysec.end")}</Button></>}>
          <p>{t("keysec.end_text")}</p>
        </Sheet>
      )}
    </Card>
  );
}

function Make({ onDone }: { onDone: (secret?: string) => void }): JSX.Element {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<Scope[]>(["read"]);
  const [fault, setFault] = useState("");
  const save = async (): Promise<void> => {
    try {
      onDone((await post<{ secret: string }>("/v1/staff/keys", { name: name.trim(), scopes })).secret);
    } catch (problem) {
      setFault(wordsOf(problem));
    }
  };
  return (
    <Sheet title={t("keysec.new")} onClose={() => onDone()}>
      <form class="stack" onSubmit={(event) => (event.preventDefault(), void save())}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        <Field label={t("keysec.name")} hint={t("keysec.name_hint")}>{(ids) => <input {...ids} class="input" required maxLength={64} value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
        <fieldset class="plain-set stack">
          <legend class="legend">{t("keysec.scopes")}</legend>
          {SCOPES.map((scope) => (
            <label class="check" key={scope}>
              <input type="checkbox" checked={scopes.includes(scope)} onChange={(event) => setScopes(event.currentTarget.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))} />
              <span><span class="mono">{scope}</span> <span class="dim small">{t(`scope.${scope}`)}</span></span>
            </label>
          ))}
        </fieldset>
        <Button type="submit" look="primary" disabled={scopes.length === 0}>{t("keysec.make")}</Button>
      </form>
    </Sheet>
  );
}
