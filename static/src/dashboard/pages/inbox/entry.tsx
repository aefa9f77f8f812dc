// One entry of the transcript.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { clockTime, fullTime, known, number, t, took } from "../../i18n";
import { desk, nameOf } from "../../state/app";
import type { Line, Reply, Tool, Written } from "../../state/thread";
import { Icon, type Shape } from "../../ui/icon";
import { Avatar, Button, memo } from "../../ui/kit";
import { Rich } from "../../ui/rich";
import type { Letter } from "../../../widget/outbox";
import { callOf, spansOf } from "../../state/findings";
import { Correct } from "./correct";
import { Findings, Marked, MessageTools } from "./findings";
import { SummaryWords } from "./summary";

interface Props {
  line: Line;
  follows: boolean;
  marked: boolean;
}

export const Entry = memo(function Entry({ line, follows, marked }: Props): JSX.Element {
  const look = `${follows ? " follows" : ""}${marked ? " marked" : ""}`;
  switch (line.kind) {
    case "mark":
      return <MarkEntry line={line} />;
    case "tool":
      return <ToolEntry line={line} />;
    case "reply":
      return <ReplyEntry line={line} look={look} />;
    case "note":
    case "summary":
      return <NoteEntry line={line} look={look} />;
    default:
      return <SaidEntry line={line} look={look} />;
  }
});

function At({ at }: { at: number }): JSX.Element {
  return <time class="entry-at num" dateTime={new Date(at).toISOString()} title={fullTime(at)}>{clockTime(at)}</time>;
}

function SaidEntry({ line, look }: { line: Written; look: string }): JSX.Element {
  const staff = line.kind === "staff";
  const [drafted, setDrafted] = useState(false);
  const [shown, setShown] = useState<number | undefined>();
  const marked = spansShown(line, shown);
  return (
    <li class={`entry ${line.kind}${look}`} data-seq={line.seq}>
      {staff && <Avatar small kind="staff" name={nameOf(line.staff)} />}
      <div class="entry-in">
        <p class="entry-by">{staff ? nameOf(line.staff) || t("who.staff") : t("who.shopper")} <At at={line.at} /></p>
        <div class="bubble" dir="auto">{marked ? <Marked text={line.text} spans={marked} /> : staff ? <Rich text={line.text} /> : <p class="plain">{line.text}</p>}</div>
        <p class="entry-foot">
          {line.draft !== undefined && (
            <>
              <Icon shape="spark" />
              {line.draft === line.text ? t("entry.as_suggested") : <button type="button" class="linkish" aria-expanded={drafted} onClick={() => setDrafted(!drafted)}>{t("entry.edited_draft")}</button>}
            </>
          )}
          <MessageTools seq={line.seq} onFound={setShown} />
        </p>
        {drafted && line.draft !== undefined && <div class="beside"><p class="beside-head">{t("entry.the_draft")}</p><p class="plain" dir="auto">{line.draft}</p></div>}
        {line.findings && <Findings text={line.text} findings={line.findings} shown={shown} onShow={setShown} />}
      </div>
    </li>
  );
}

function ReplyEntry({ line, look }: { line: Reply; look: string }): JSX.Element {
  const [correcting, setCorrecting] = useState(false);
  const [shown, setShown] = useState<number | undefined>();
  const marked = spansShown(line, shown);
  const { provenance: from, correction } = line;
  const cut = line.ended !== "complete" && line.ended !== "refused";
  return (
    <li class={`entry reply${look}`} data-seq={line.seq}>
      <Avatar kind="ai" small />
      <div class="entry-in">
        <p class="entry-by">{t("who.ai")} <At at={line.at} /></p>
        <div class="bubble" dir="auto">
          {marked ? <Marked text={line.text} spans={marked} /> : line.text ? <Rich text={line.text} /> : <p class="dim">{t("entry.no_text")}</p>}
        </div>
        <p class="entry-foot">
          {cut && <span class="tag wait">{t(`ended.${line.ended}`)}</span>}
          {line.ended === "refused" && <span class="tag">{t("ended.refused")}</span>}
          {line.thumb && <span class={`tag ${line.thumb === "up" ? "good" : "bad"}`}><Icon shape={line.thumb === "up" ? "up" : "thumbdown"} />{t(`rating.${line.thumb}`)}</span>}
          {from && (
            <span class="num from" title={t("entry.provenance", { model: from.model, prompt: from.prompt, seed: from.seed, tokens: number(from.completion_tokens) })}>
              {from.adapter ?? from.model} · {took(from.first_ms)} / {took(from.total_ms)}
            </span>
          )}
          {line.text && !correcting && <button type="button" class="linkish" onClick={() => setCorrecting(true)}>{correction ? t("entry.correct_again") : t("entry.correct")}</button>}
          {line.text && <MessageTools seq={line.seq} onFound={setShown} />}
        </p>
        {line.comment && <p class="comment" dir="auto">“{line.comment}”</p>}
        {correction && !correcting && (
          <div class="beside good">
            <p class="beside-head"><Icon shape="check" />{t("entry.corrected_by", { name: nameOf(correction.staff) })} <At at={correction.at} /></p>
            <div dir="auto"><Rich text={correction.text} /></div>
          </div>
        )}
        {line.findings && <Findings text={line.text} findings={line.findings} shown={shown} onShow={setShown} />}
        {correcting && <Correct reply={line} onDone={() => setCorrecting(false)} />}
      </div>
    </li>
  );
}

/** The places that the finding `shown` rests on; undefined if none is to be marked. */
function spansShown(line: Written | Reply, shown: number | undefined): [number, number][] | undefined {
  const finding = line.findings?.find((one) => one.seq === shown);
  const spans = finding && spansOf(finding, [...line.text].length);
  return spans?.length ? spans : undefined;
}

function NoteEntry({ line, look }: { line: Written; look: string }): JSX.Element {
  const note = line.kind === "note";
  return (
    <li class={`entry ${line.kind}${look}`} data-seq={line.seq}>
      <div class="entry-in">
        <p class="entry-by"><Icon shape={note ? "lock" : "file"} />{note ? t("entry.note_by", { name: nameOf(line.staff) }) : t("entry.summary")} <At at={line.at} /></p>
        {note ? <div dir="auto"><Rich text={line.text} /></div> : <div><SummaryWords line={line} /></div>}
      </div>
    </li>
  );
}

const SIGNS: Record<Extract<Line, { kind: "mark" }>["what"], Shape> = { ai: "spark", queue: "hand", staff: "person", resolved: "check", open: "reopen", retry: "reopen" };

function MarkEntry({ line }: { line: Extract<Line, { kind: "mark" }> }): JSX.Element {
  const words = line.what === "staff" ? t(line.by ? "mark.given" : "mark.staff", { name: nameOf(line.staff), by: nameOf(line.by) }) : line.reason ? t("mark.queue_why", { why: t(`why.${line.reason}`) }) : t(`mark.${line.what}`);
  return <li class="entry-mark" data-seq={line.seq}><Icon shape={SIGNS[line.what]} /><span>{words}{line.away && ` · ${t("mark.away")}`}</span><At at={line.at} /></li>;
}

/** A tool's finding in one line; all of it on request. */
function ToolEntry({ line }: { line: Tool }): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <li class="entry-mark tool" data-seq={line.seq}>
      <Icon shape="tool" />
      <button type="button" class="linkish" aria-expanded={open} onClick={() => setOpen(!open)}>{toolWords(line)}</button>
      <At at={line.at} />
      {open && <pre class="finding" tabIndex={0}>{JSON.stringify(line.outcome, null, 1)}</pre>}
    </li>
  );
}

/** What a finding says, as far as its shape is known. */
export function toolWords({ name, outcome }: Pick<Tool, "name" | "outcome">): string {
  const bag = (typeof outcome === "object" && outcome !== null ? outcome : {}) as Record<string, unknown>;
  const title = known(`tool.${name}`) ?? name;
  if (typeof bag.label === "string") return `${title}: ${known(`mood.${bag.label}`) ?? bag.label}`;
  if (Array.isArray(bag.attributes)) {
    const pairs = bag.attributes.flatMap((one: { name?: unknown; value?: unknown } | null) => (typeof one?.name === "string" ? [`${one.name} ${String(one.value ?? "")}`.trim()] : []));
    if (pairs.length) return `${title}: ${pairs.slice(0, 4).join(", ")}`;
  }
  const call = callOf(bag);
  if (call) {
    const why = known(`refused.${call.result}`);
    return [call.words ? `${title}: ${call.words}` : title, ...(why ? [t("tool.refused", { why })] : [])].join(" · ");
  }
  if (typeof bag.reason === "string") return `${title}: ${bag.reason}`;
  return title;
}

/** A message that is on its way, or was refused. */
export function Unsent({ letter }: { letter: Letter }): JSX.Element {
  const here = desk.value!;
  const { refused } = letter;
  return (
    <li class={`entry staff unsent${refused ? " refused" : ""}`}>
      <Avatar small kind="staff" name={nameOf(here.me)} />
      <div class="entry-in">
        <p class="entry-by">{nameOf(here.me)}</p>
        <div class="bubble" dir="auto"><Rich text={letter.text} /></div>
        <p class="entry-foot" role={refused ? "alert" : undefined}>
          {refused ? known(`fault.${refused}`) ?? t("fault.other") : here.link.value === "online" ? t("entry.sending") : t("entry.kept")}
          {refused && <><Button look="tiny" onClick={() => here.resend(letter.cmid)}>{t("ui.again")}</Button><Button look="tiny" onClick={() => here.discard(letter.cmid)}>{t("ui.remove")}</Button></>}
        </p>
      </div>
    </li>
  );
}
