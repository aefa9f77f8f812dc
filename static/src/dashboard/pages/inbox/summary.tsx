// What a colleague should know who has not read the conversation: in words, or in the conversation's own.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post } from "../../api";
import { ago, known, t } from "../../i18n";
import { complain } from "../../state/app";
import { offered } from "../../state/offers";
import type { Open, Written } from "../../state/thread";
import { Button, minute } from "../../ui/kit";

const PATH = "/v1/staff/conversations/{conv}/summary";
type Point = NonNullable<Written["points"]>[number];

const nameOfPoint = ({ about, name }: Point): string => (about === "attribute" ? (name ?? t("panel.attributes")) : t(`summary.${about}`));

function wordsOfPoint({ about, text }: Point): string {
  const named = about === "mood" ? known(`mood.${text}`) : about === "reason" ? known(`why.${text}`) : undefined;
  return named ?? text;
}

/** The text is only shown where it says more than the points. Never as marked-up text: a shopper's words are in it. */
export function SummaryWords({ line }: { line: Written }): JSX.Element {
  const points = line.points ?? [];
  return (
    <>
      {!points.some((one) => one.about === "question") && <p class="plain" dir="auto">{line.text}</p>}
      {points.length > 0 && (
        <dl class="facts summed">
          {points.map((one, n) => <div key={n}><dt class="cut" dir="auto">{nameOfPoint(one)}</dt><dd dir="auto">{wordsOfPoint(one)}</dd></div>)}
        </dl>
      )}
    </>
  );
}

/** The newest summary of a conversation, and the button that asks for one. */
export function Summary({ open: { thread } }: { open: Open }): JSX.Element | null {
  const [busy, setBusy] = useState(false);
  const last = thread.lines.findLast((line): line is Written => line.kind === "summary");
  if (!last && (!offered(PATH) || thread.asked === 0)) return null;
  const ask = async (): Promise<void> => {
    setBusy(true);
    try {
      await post(PATH.replace("{conv}", encodeURIComponent(thread.conv)));
    } catch (fault) {
      complain(fault);
    }
    setBusy(false);
  };
  return (
    <section class="panel-part">
      <h3>{t("entry.summary")}{last && <span class="num"> · {ago(last.at, minute.value)}</span>}</h3>
      {last ? <SummaryWords line={last} /> : <p class="small dim">{t("panel.no_summary")}</p>}
      {offered(PATH) && <div><Button look="tiny" icon="file" aria-busy={busy} disabled={busy} onClick={() => void ask()}>{busy ? t("tools.busy") : last ? t("panel.sum_up_again") : t("panel.sum_up")}</Button></div>}
    </section>
  );
}
