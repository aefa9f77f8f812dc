// Everything that cannot be made again, in one file.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { download } from "../../api";
import { t } from "../../i18n";
import { wordsOf } from "../../state/app";
import { Button, Spin } from "../../ui/kit";
import { Card } from ".";

export function Backup(): JSX.Element {
  const [state, setState] = useState<"idle" | "busy" | "done">("idle");
  const [fault, setFault] = useState("");
  const make = async (): Promise<void> => {
    setState("busy");
    setFault("");
    try {
      await download("/v1/staff/backup", `shopclerk-${new Date().toISOString().slice(0, 16).replace(/[T:]/g, "-")}.tar`);
      setState("done");
    } catch (problem) {
      setFault(wordsOf(problem));
      setState("idle");
    }
  };
  return (
    <Card title={t("set.backup")} lead={t("backup.lead")}>
      <div class="row wrap">
        <Button look="primary" icon="download" disabled={state === "busy"} onClick={() => void make()}>{t("backup.make")}</Button>
        <span class="row" role="status">{state === "busy" ? <><Spin /> {t("backup.making")}</> : state === "done" ? <span class="good-text">{t("backup.made")}</span> : null}</span>
      </div>
      {fault && <p class="fault" role="alert">{fault}</p>}
      <p class="warning">{t("backup.secret")}</p>
      <div class="stack">
        <p class="small dim">{t("backup.command")}</p>
        <div class="snippet"><pre tabIndex={0}>shopclerk data backup /backups/shop.tar</pre></div>
        <p class="small dim">{t("backup.restore")}</p>
        <div class="snippet"><pre tabIndex={0}>shopclerk --data fresh data restore /backups/shop.tar</pre></div>
      </div>
    </Card>
  );
}
