// Versions of adapters: which one answers, which is on trial, and the way back.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, get, post } from "../../api";
import { fullTime, percent, t } from "../../i18n";
import { complain, wordsOf } from "../../state/app";
import { offers } from "../../state/offers";
import { href } from "../../state/router";
import { Button, Empty, Sheet, Spin, toast } from "../../ui/kit";
import type { AdapterDetail, Adapters, Version } from "../../training";
import { RunRows } from "./rows";
import { ScorecardView } from "./scorecard";

export function Versions(): JSX.Element {
  const [all, setAll] = useState<Adapters | undefined>();
  const [promoting, setPromoting] = useState<Version | undefined>();
  const [removing, setRemoving] = useState<Version | undefined>();
  const [open, setOpen] = useState<string | undefined>();
  const read = (): Promise<void> => get<Adapters>("/v1/staff/adapters").then(setAll, complain);
  useEffect(() => {
    void read();
    const timer = setInterval(() => void read(), 5_000);
    return () => clearInterval(timer);
  }, []);
  if (!all) return <div class="empty"><Spin /></div>;
  const { status } = all;
  const adapters = [...all.adapters].sort((a, b) => b.created_at - a.created_at);
  const remove = async (id: string): Promise<void> => {
    await call("DELETE", `/v1/staff/adapters/${pathOf(id)}`).catch(complain);
    await read();
  };
  const rolls = offers.value?.has("/v1/staff/adapters/{name}/rollback");
  const back = async (name: string): Promise<void> => {
    await post(`/v1/staff/adapters/${encodeURIComponent(name)}/rollback`).then(() => toast(t("version.rolled_back")), complain);
    await read();
  };
  return (
    <>
      <section class="card">
        <header>
          <h2>{t("version.now")}</h2>
          {rolls && (status.current || status.candidate) && <Button icon="reopen" onClick={() => void back(status.chat)}>{t("version.rollback")}</Button>}
        </header>
        <div class="in">
          <dl class="stats">
            <div><dt>{t("version.answers")}</dt><dd>{status.current ?? t("num.base")}</dd></div>
            {status.candidate && <div><dt>{t("version.trial")}</dt><dd>{status.candidate} · {percent(status.share ?? 0)}</dd></div>}
            {status.loading && <div><dt>{t("version.loading")}</dt><dd>{status.loading}</dd></div>}
          </dl>
          {adapters.some((one) => one.tainted && one.role !== "idle") && <p class="warning" role="status">{t("version.tainted_serves")}</p>}
          {Object.entries(status.faults).map(([name, fault]) => <p class="fault" role="alert" key={name}>{name}: {fault}</p>)}
        </div>
      </section>
      {adapters.length === 0 ? <div class="card"><Empty icon="branch" title={t("version.none")}>{t("version.none_hint")}</Empty></div> : (
        <section class="card">
          <div class="in scrollx" tabIndex={0} role="region" aria-label={t("train.versions")}>
            <table class="table stacks">
              <thead><tr><th scope="col">{t("version.name")}</th><th scope="col">{t("version.role")}</th><th scope="col">{t("version.gate")}</th><th scope="col" class="n">{t("version.made")}</th><th scope="col"><span class="sr">{t("agents.acts")}</span></th></tr></thead>
              <tbody>
                {adapters.map((one) => (
                  <tr key={one.id}>
                    <th scope="row"><button type="button" class="linkish strong" onClick={() => setOpen(one.id)}>{one.id}</button> <span class="dim small">{one.base}</span></th>
                    <td data-head={t("version.role")}>{one.role === "current" ? <span class="tag good">{t("version.current")}</span> : one.role === "candidate" ? <span class="tag blue">{t("version.candidate", { n: percent(one.share ?? 0) })}</span> : <span class="dim">–</span>}</td>
                    <td><span class="row wrap">{one.tainted && <span class="tag bad" title={t("version.tainted")}>{t("version.tainted_tag")}</span>}{one.fault ? <span class="tag bad" title={one.fault}>{t("version.broken")}</span> : one.passed === null || one.passed === undefined ? <span class="tag">{t("version.unasked")}</span> : one.passed ? <span class="tag good">{t("version.passed")}</span> : <span class="tag bad">{t("version.failed")}</span>}</span></td>
                    <td class="n dim" data-head={t("version.made")}>{fullTime(one.created_at)}</td>
                    <td>
                      <span class="row ends">
                        {rolls && one.role !== "idle" && !one.shipped && nameOf(one.id) !== status.chat && <Button look="tiny" aria-label={t("version.rollback_of", { name: nameOf(one.id) })} onClick={() => void back(nameOf(one.id))}>{t("version.rollback")}</Button>}
                        {one.role !== "current" && !one.fault && <Button look="tiny" onClick={() => setPromoting(one)}>{t("version.promote")}</Button>}
                        {one.role === "idle" && !one.shipped && <Button look="tiny danger" icon="trash" label={t("agents.remove_of", { name: one.id })} onClick={() => setRemoving(one)} />}
                      </span>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      )}
      {promoting && <Promote version={promoting} chat={status.chat} onDone={() => (setPromoting(undefined), void read())} />}
      {removing && (
        <Sheet title={t("agents.remove_of", { name: removing.id })} onClose={() => setRemoving(undefined)} footer={<><Button onClick={() => setRemoving(undefined)}>{t("ui.cancel")}</Button><Button look="danger" onClick={() => (setRemoving(undefined), void remove(removing.id))}>{t("ui.remove")}</Button></>}>
          <p>{t("version.remove_text")}</p>
        </Sheet>
      )}
      {open && <Lineage id={open} shipped={adapters.some((one) => one.id === open && one.shipped)} onClose={() => setOpen(undefined)} />}
    </>
  );
}

/** `shop` of `shop@3`. */
const nameOf = (id: string): string => id.split("@", 1)[0]!;

/** `shop@3` as part of an address. */
const pathOf = (id: string): string => id.split("@").map(encodeURIComponent).join("/");

const SHARES = [0.05, 0.1, 0.25, 0.5, 1];

function Promote({ version, chat, onDone }: { version: Version; chat: string; onDone: () => void }): JSX.Element {
  // A trial takes a share of the conversations; a tool has none.
  const talks = nameOf(version.id) === chat;
  const [share, setShare] = useState(version.role === "candidate" || !talks ? 1 : 0.1);
  const [force, setForce] = useState(false);
  const [fault, setFault] = useState("");
  const gate = version.passed !== true || version.tainted === true;
  const act = async (): Promise<void> => {
    const [name, number] = version.id.split("@");
    try {
      await post(`/v1/staff/adapters/${encodeURIComponent(name!)}/promote`, { version: Number(number), ...(share < 1 && { share }), ...(force && { force: true }) });
      toast(t("version.promoted", { name: version.id }));
      onDone();
    } catch (problem) {
      setFault(wordsOf(problem));
    }
  };
  return (
    <Sheet title={t("version.promote_of", { name: version.id })} onClose={onDone} footer={<><Button onClick={onDone}>{t("ui.cancel")}</Button><Button look="primary" disabled={gate && !force} onClick={() => void act()}>{t("version.promote")}</Button></>}>
      {fault && <p class="fault plain" role="alert">{fault}</p>}
      <p>{t(talks ? "version.promote_text" : "version.promote_tool")}</p>
      {talks && (
        <div class="tabs" role="group" aria-label={t("version.share")}>
          {SHARES.map((one) => <button type="button" class="tab" key={one} aria-current={one === share ? "true" : undefined} onClick={() => setShare(one)}>{one === 1 ? t("version.everybody") : percent(one)}</button>)}
        </div>
      )}
      {gate && <label class="check"><input type="checkbox" checked={force} onChange={(event) => setForce(event.currentTarget.checked)} /><span>{t("version.force")}</span></label>}
    </Sheet>
  );
}

/** Where a version comes from, down to the conversations it learnt from. */
function Lineage({ id, shipped, onClose }: { id: string; shipped: boolean; onClose: () => void }): JSX.Element {
  const [detail, setDetail] = useState<AdapterDetail | undefined>();
  useEffect(() => void get<AdapterDetail>(`/v1/staff/adapters/${pathOf(id)}`).then(setDetail, (fault) => (complain(fault), onClose())), [id]);
  const made = detail?.manifest;
  // The run of a version that came with the program was made elsewhere.
  const run = shipped ? undefined : made?.run;
  return (
    <Sheet title={id} onClose={onClose}>
      {!made ? <Spin /> : (
        <>
          {made.tainted && <p class="fault">{t("version.tainted")}</p>}
          {made.forced_by && <p class="bar warn">{t("version.forced_by", { name: made.forced_by })}</p>}
          <dl class="facts">
            <div><dt>{t("version.base")}</dt><dd class="cut">{made.base}</dd></div>
            <div><dt>{t("version.made")}</dt><dd>{fullTime(made.created_at)}</dd></div>
            <div><dt>{t("version.data")}</dt><dd class="mono cut" title={made.data_hash}>{made.data_hash.slice(0, 16)}</dd></div>
            <div><dt>{t("version.weights")}</dt><dd class="mono cut" title={made.weights_hash}>{made.weights_hash.slice(0, 16)}</dd></div>
            {run && <div><dt>{t("version.run")}</dt><dd><a href={href({ page: "training", view: "runs", run })}>{run.slice(-6)}</a></dd></div>}
          </dl>
          {detail.objections.length > 0 && <ul class="reasons small">{detail.objections.map((one) => <li key={one}>{one}</li>)}</ul>}
          {made.scorecard && <ScorecardView card={made.scorecard} />}
          {run && <RunRows id={run} title={t("version.rows")} />}
          <details class="fold"><summary>{t("run.recipe")}</summary><pre class="log" tabIndex={0}>{made.recipe}</pre></details>
        </>
      )}
    </Sheet>
  );
}
