// Beside the conversation: who the shopper is, how they feel, what was found out, which model answered.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Shopper } from "../../contract";
import { ago, fullTime, number, t, tn } from "../../i18n";
import { desk, isAdmin, shopperName } from "../../state/app";
import { attributesOf } from "../../state/findings";
import { offered } from "../../state/offers";
import { href } from "../../state/router";
import { panelOpen, wantTags } from "../../state/signals";
import type { Open, Reply } from "../../state/thread";
import { Icon } from "../../ui/icon";
import { Avatar, Button, minute, toast } from "../../ui/kit";
import { MoodChart } from "./mood";
import { Orders } from "./orders";
import { PrivacyActs } from "./privacy";
import { byWord } from "./row";
import { Summary } from "./summary";

export function Panel(): JSX.Element | null {
  const here = desk.value!;
  const open = here.open.value;
  void here.listed.value;
  if (!open || here.missing.value) return null;
  const { thread } = open;
  const detail = here.detail.value;
  const row = here.row(thread.conv);
  const shopper = detail?.shopper ?? row?.shopper;
  const others = detail?.others ?? [];
  // The row is newer than what was read when the conversation was opened.
  const contact = row?.shopper.contact ?? detail?.shopper.contact;
  return (
    <aside class="panel" aria-label={t("panel.label")}>
      <header class="panel-head">
        <h2>{t("panel.label")}</h2>
        <Button look="plain tiny" icon="close" label={t("ui.close")} onClick={() => (panelOpen.value = false)} />
      </header>
      {shopper && (
        <Section title={t("panel.shopper")}>
          <div class="row">
            <Avatar name={shopper.name || shopper.email} />
            <div class="grow">
              <p class="cut strong" dir="auto">{shopperName(shopper)}</p>
              <p class="small dim row">{shopper.verified ? <><Icon shape="check" />{t("panel.verified")}</> : t("panel.unverified")}</p>
            </div>
            {shopper.blocked && <span class="tag bad">{t("inbox.blocked")}</span>}
          </div>
          <Facts
            facts={[
              [t("panel.email"), shopper.email && <Mail to={shopper.email} />],
              [t("panel.contact"), contact && <Mail to={contact} />],
              [t("panel.customer"), detail?.shopper.external],
              [t("panel.first_seen"), detail?.shopper.created_at && fullTime(detail.shopper.created_at)],
              [t("panel.conversations"), detail && number(detail.shopper.conversations)],
              [t("panel.page"), detail?.shopper.page && <Page {...detail.shopper.page} />],
            ]}
          />
        </Section>
      )}
      <Summary open={open} />
      {detail?.shopper.orders && <Section title={t("panel.orders")}><Orders orders={detail.shopper.orders} /></Section>}
      <Section title={t("panel.tags")}><Tags open={open} /></Section>
      {thread.moods.length > 0 && <Section title={t("panel.mood")}><MoodChart points={thread.moods} /></Section>}
      <Attributes open={open} />
      <Models open={open} />
      {others.length > 0 && (
        <Section title={t("panel.others")}>
          <ul class="others">
            {others.map((one) => (
              <li key={one.conv}>
                <a href={href({ page: "inbox", tab: one.status === "resolved" ? "resolved" : "all", conv: one.conv, filters: {} })}>
                  <span class="cut" dir="auto">{one.preview ? byWord(one) + one.preview.text : t("inbox.nothing_said")}</span>
                  <span class="small dim num">{ago(one.updated_at, minute.value)}</span>
                </a>
              </li>
            ))}
          </ul>
        </Section>
      )}
      {isAdmin.value && shopper?.id && offered("/v1/staff/shoppers/{shopper}") && <Section title={t("privacy.title")}><PrivacyActs id={shopper.id} name={shopperName(shopper)} /></Section>}
      {row && <p class="panel-foot small dim">{t("panel.began", { time: fullTime(row.created_at) })}<br /><span class="mono">{thread.conv}</span></p>}
    </aside>
  );
}

function Section({ title, children }: { title: string; children: ComponentChildren }): JSX.Element {
  return <section class="panel-part"><h3>{title}</h3>{children}</section>;
}

/** An address that the agent's own program writes to. */
function Mail({ to }: { to: string }): JSX.Element {
  return <a href={`mailto:${encodeURIComponent(to).replace("%40", "@")}`}>{to}</a>;
}

/** Where the shopper is. Their browser says so: only a page of the shop's own becomes a link. */
function Page({ address, title, own, at }: NonNullable<Shopper["page"]>): JSX.Element {
  // On the shop's own pages its name goes without saying.
  const plain = own ? address.replace(/^https?:\/\/[^/]+/, "") : address.replace(/^https?:\/\//, "");
  return (
    <>
      {own && /^https?:\/\//.test(address) ? <a href={address} target="_blank" rel="noopener noreferrer" title={address}>{title ?? plain}</a> : <span title={address}>{title ?? plain}</span>}
      <span class="page-of small dim">{title && <span class="cut" dir="ltr" title={address}>{plain}</span>}<span class="num">{ago(at, minute.value)}</span></span>
    </>
  );
}

function Facts({ facts }: { facts: [name: string, value: ComponentChildren][] }): JSX.Element {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => value !== undefined && value !== "" && <div key={name}><dt>{name}</dt><dd class="cut" dir="auto" title={typeof value === "object" ? undefined : String(value)}>{value}</dd></div>)}
    </dl>
  );
}

function Tags({ open: { thread } }: { open: Open }): JSX.Element {
  const here = desk.value!;
  const [text, setText] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const asked = wantTags.value;
  useEffect(() => {
    if (!asked) return;
    field.current?.focus();
    wantTags.value = 0;
  }, [asked]);
  // The row comes a moment after the event.
  void here.listed.value;
  const tags = here.row(thread.conv)?.tags ?? thread.tags;
  const set = (next: string[]): void => {
    if (!here.send({ t: "tag", conv: thread.conv, tags: next })) toast(t("fault.offline"));
  };
  const all = [...new Set([...here.list.rows.values()].flatMap((row) => row.tags))].filter((one) => !tags.includes(one)).sort();
  return (
    <>
      {tags.length > 0 && (
        <ul class="chips">
          {tags.map((tag) => (
            <li key={tag}><span class="tag"><span class="cut" dir="auto">{tag}</span><button type="button" aria-label={t("panel.remove_tag", { tag })} onClick={() => set(tags.filter((one) => one !== tag))}><Icon shape="close" /></button></span></li>
          ))}
        </ul>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const tag = text.trim().toLowerCase();
          if (tag && !tags.includes(tag)) set([...tags, tag]);
          setText("");
        }}
      >
        <input ref={field} class="input tag-input" list="known-tags" placeholder={t("panel.add_tag")} aria-label={t("panel.add_tag")} maxLength={40} value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <datalist id="known-tags">{all.slice(0, 50).map((one) => <option key={one} value={one} />)}</datalist>
      </form>
    </>
  );
}

/** What colleagues found out in this conversation; of an attribute the newest. */
function Attributes({ open: { thread } }: { open: Open }): JSX.Element | null {
  const found = new Map<string, string>();
  for (const line of thread.lines) for (const finding of "findings" in line ? (line.findings ?? []) : []) for (const { name, value } of attributesOf(finding)) found.set(name, value);
  return found.size ? <Section title={t("panel.attributes")}><Facts facts={[...found]} /></Section> : null;
}

/** Which model, and which version of it, wrote the replies here. */
function Models({ open: { thread } }: { open: Open }): JSX.Element | null {
  const counts = new Map<string, { replies: number; corrected: number }>();
  for (const line of thread.lines) {
    if (line.kind !== "reply" || !line.provenance) continue;
    const name = versionOf(line);
    const count = counts.get(name) ?? { replies: 0, corrected: 0 };
    counts.set(name, { replies: count.replies + 1, corrected: count.corrected + (line.correction ? 1 : 0) });
  }
  if (!counts.size) return null;
  return (
    <Section title={t("panel.models")}>
      <ul class="models">
        {[...counts].map(([name, { replies, corrected }]) => (
          <li key={name}><span class="mono cut">{name}</span><span class="small dim">{tn("panel.replies", replies)}{corrected > 0 && ` · ${tn("panel.corrected", corrected)}`}</span></li>
        ))}
      </ul>
    </Section>
  );
}

export const versionOf = (reply: Reply): string => (reply.provenance?.adapter ? `${reply.provenance.model} + ${reply.provenance.adapter}` : (reply.provenance?.model ?? ""));
