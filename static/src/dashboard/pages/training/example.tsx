// One row: what is learnt stands out, and so does what was taken out.

import type { JSX } from "preact";
import { t } from "../../i18n";
import { href } from "../../state/router";
import { placeholders, type TrainRow } from "../../training";

export function Example({ row }: { row: TrainRow }): JSX.Element {
  const from = [...new Set((row.lineage ?? []).map((one) => one.conversation))];
  return (
    <article class="example">
      <p class="example-head">
        <span class="mono cut grow">{row.id}</span>
        {from.map((conv, n) => <a key={conv} href={href({ page: "inbox", tab: "all", conv, filters: {} })}>{from.length === 1 ? t("train.conversation") : t("train.conversation_n", { n: n + 1 })}</a>)}
      </p>
      {row.messages?.map((message, n) => {
        const learnt = message.role === "assistant" && message.train !== false;
        return (
          <div class={`turn${learnt ? " learnt" : ""}`} key={n}>
            <span class="role">{learnt ? t("role_is.learnt") : roleWord(message.role)}</span>
            <p class="plain" dir="auto"><Marked text={message.content} /></p>
          </div>
        );
      })}
      {row.text !== undefined && <div class="turn learnt"><span class="role">{t("role_is.learnt")}</span><p class="plain" dir="auto"><Marked text={row.text} /></p></div>}
    </article>
  );
}

function roleWord(role: string): string {
  return role === "user" ? t("role_is.user") : role === "system" ? t("role_is.system") : role === "assistant" ? t("role_is.assistant") : role;
}

function Marked({ text }: { text: string }): JSX.Element {
  return <>{placeholders(text).map((part, n) => (part.redacted ? <span class="redacted" key={n} title={t("train.redacted")}>{part.text.slice(1, -1)}</span> : part.text))}</>;
}
