// One shopper's data: given out as a file, or erased everywhere. For admins.

import type { JSX } from "preact";
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { call, download } from "../../api";
import type { Erased } from "../../contract";
import { t, tn } from "../../i18n";
import { complain, wordsOf } from "../../state/app";
import { href } from "../../state/router";
import { Button, Field, Sheet } from "../../ui/kit";

interface Props {
  id: string;
  name: string;
  onErased?: () => void;
}

/** Who is being erased. Apart from the conversation, which is gone before this has said what is gone. */
const erasing = signal<Props | undefined>(undefined);

export function PrivacyActs({ id, name, onErased }: Props): JSX.Element {
  const path = pathOf(id);
  return (
    <div class="row wrap">
      <Button look="tiny" icon="download" onClick={() => void download(`${path}/export`, `shopper-${id}.json`).catch(complain)}>{t("privacy.export")}</Button>
      <Button look="tiny danger" icon="trash" onClick={() => (erasing.value = { id, name, ...(onErased && { onErased }) })}>{t("privacy.erase")}</Button>
    </div>
  );
}

/** The dialog, for pages that have `PrivacyActs`. */
export function Erasing(): JSX.Element | null {
  const one = erasing.value;
  useEffect(() => () => void (erasing.value = undefined), []);
  if (!one) return null;
  return <Erase path={pathOf(one.id)} name={one.name} onClose={(done) => ((erasing.value = undefined), done && one.onErased?.())} />;
}

const pathOf = (id: string): string => `/v1/staff/shoppers/${encodeURIComponent(id)}`;

/** Asks for a typed word, then says what is gone. */
function Erase({ path, name, onClose }: { path: string; name: string; onClose: (done: boolean) => void }): JSX.Element {
  const [word, setWord] = useState("");
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
  const [done, setDone] = useState<Erased | undefined>();
  if (done) return <Done done={done} onClose={() => onClose(true)} />;
  const wanted = t("privacy.erase_word");
  const act = async (): Promise<void> => {
    setBusy(true);
    setFault("");
    try {
      setDone(await call<Erased>("DELETE", path));
    } catch (problem) {
      setFault(wordsOf(problem));
    }
    setBusy(false);
  };
  const ready = word.trim().toLowerCase() === wanted && !busy;
  return (
    <Sheet
      title={t("privacy.erase_of", { name })}
      onClose={() => busy || onClose(false)}
      footer={<><Button disabled={busy} onClick={() => onClose(false)}>{t("ui.cancel")}</Button><Button look="danger" icon="trash" disabled={!ready} onClick={() => void act()}>{busy ? t("privacy.erasing") : t("privacy.erase")}</Button></>}
    >
      <form class="stack" onSubmit={(event) => (event.preventDefault(), ready && void act())}>
        {fault && <p class="fault" role="alert">{fault}</p>}
        <p>{t("privacy.erase_text")}</p>
        <Field label={t("privacy.erase_type", { word: wanted })}>{(ids) => <input {...ids} class="input" autocomplete="off" value={word} onInput={(event) => setWord(event.currentTarget.value)} />}</Field>
      </form>
    </Sheet>
  );
}

function Done({ done, onClose }: { done: Erased; onClose: () => void }): JSX.Element {
  return (
    <Sheet title={t("privacy.erased")} onClose={onClose} footer={<Button look="primary" onClick={onClose}>{t("ui.close")}</Button>}>
      <div class="stack" role="status">
        <p class="strong">{tn("privacy.gone_conversations", done.conversations)} · {tn("privacy.gone_rows", done.rows)}</p>
        {done.adapters.length > 0 ? (
          <p class="warning">{t("privacy.tainted", { names: done.adapters.join(", ") })} <a href={href({ page: "training", view: "models" })}>{t("privacy.versions")}</a></p>
        ) : <p>{t("privacy.untainted")}</p>}
        <p class="small dim">{t("privacy.traces")}</p>
      </div>
    </Sheet>
  );
}
