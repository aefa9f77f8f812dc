// The rows a run learnt from, each with the way back to its conversations. They are read when somebody looks.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, query } from "../../api";
import { number, t } from "../../i18n";
import { complain } from "../../state/app";
import type { RowPage } from "../../training";
import { Button, Spin } from "../../ui/kit";
import { Example } from "./example";

const PAGE = 20;

export function RunRows({ id, title }: { id: string; title: string }): JSX.Element {
  const [page, setPage] = useState<RowPage | undefined>();
  const [busy, setBusy] = useState(false);
  const read = async (): Promise<void> => {
    setBusy(true);
    try {
      const next = await get<RowPage>(query(`/v1/staff/runs/${encodeURIComponent(id)}/rows`, { after: page?.rows.length, limit: PAGE }));
      setPage({ count: next.count, rows: [...(page?.rows ?? []), ...next.rows] });
    } catch (fault) {
      complain(fault);
      setPage((old) => old ?? { count: 0, rows: [] });
    }
    setBusy(false);
  };
  const left = page ? page.count - page.rows.length : 0;
  return (
    <details class="fold" onToggle={(event) => event.currentTarget.open && !page && !busy && void read()}>
      <summary>{title}</summary>
      {!page ? <Spin /> : page.count === 0 ? <p class="dim">{t("run.rows_gone")}</p> : (
        <>
          <p class="lead">{t("run.rows_lead")}</p>
          <div class="examples">{page.rows.map((row) => <Example key={row.id} row={row} />)}</div>
          {left > 0 && <div class="row"><Button look="tiny" disabled={busy} onClick={() => void read()}>{t("ui.more")}</Button><span class="small dim">{t("train.and_more", { n: number(left) })}</span></div>}
        </>
      )}
    </details>
  );
}
