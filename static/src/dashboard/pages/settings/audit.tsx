// Who did what.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, query } from "../../api";
import type { AuditEntry } from "../../contract";
import { fullTime, known, t } from "../../i18n";
import { complain, nameOf } from "../../state/app";
import { Button, Spin } from "../../ui/kit";
import { Card } from ".";

interface Page {
  entries: AuditEntry[];
  next?: string | number;
}

export function Audit(): JSX.Element {
  const [page, setPage] = useState<Page | undefined>();
  const read = (before?: string | number): void => {
    get<Page>(query("/v1/staff/audit", { before, limit: 50 })).then((one) => setPage((old) => (before && old ? { ...one, entries: [...old.entries, ...one.entries] } : one)), complain);
  };
  useEffect(() => read(), []);
  return (
    <Card title={t("set.audit")} lead={t("audit.lead")}>
      {!page ? <Spin /> : (
        <>
          <div class="scrollx" tabIndex={0} role="region" aria-label={t("set.audit")}>
            <table class="table stacks">
              <thead><tr><th scope="col">{t("audit.at")}</th><th scope="col">{t("audit.who")}</th><th scope="col">{t("audit.what")}</th><th scope="col">{t("audit.on")}</th><th scope="col">{t("acc.address")}</th></tr></thead>
              <tbody>
                {page.entries.map((one, n) => (
                  <tr key={`${one.at}.${n}`}>
                    <td class="num small dim">{fullTime(one.at)}</td>
                    <td dir="auto">{nameOf(one.who) || "–"}</td>
                    <td><span class={one.what.endsWith("failed") ? "wrong" : ""}>{known(`audit.${one.what}`) ?? one.what.replaceAll("_", " ")}</span></td>
                    <td class="audit-on" dir="auto">{[one.on, one.detail].filter(Boolean).join(" · ")}</td>
                    <td class="mono dim">{one.address}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {page.next !== undefined && page.next !== null && <div><Button onClick={() => read(page.next)}>{t("ui.more")}</Button></div>}
        </>
      )}
    </Card>
  );
}
