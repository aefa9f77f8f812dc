// Tools on one message: the menu that calls them, and what they found beside it.

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Fault, post } from "../../api";
import { known, percent, t } from "../../i18n";
import { canned, complain, desk, nameOf, readCanned, wordsOf } from "../../state/app";
import { attributesOf, type Finding, freeShortcut, type Pair, pairsOf, pieces, type Span, spansOf } from "../../state/findings";
import { offered } from "../../state/offers";
import { moodOf } from "../../state/thread";
import { Icon } from "../../ui/icon";
import { Button, Field, Sheet, toast, useAway } from "../../ui/kit";

const TOOLS = ["sentiment", "extract", "qa"] as const;
const PATH = "/v1/staff/conversations/{conv}/tools";

/** Calls a tool; `onFound` is told the number of what it found. */
export function MessageTools({ seq, onFound }: { seq: number; onFound: (seq: number) => void }): JSX.Element | null {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const box = useAway<HTMLSpanElement>(open ? () => setOpen(false) : undefined);
  if (!offered(PATH)) return null;
  const run = async (tool: (typeof TOOLS)[number], of?: number): Promise<void> => {
    const { conv } = desk.value!.open.value!.thread;
    setOpen(false);
    setBusy(true);
    try {
      onFound((await post<{ seq: number }>(PATH.replace("{conv}", encodeURIComponent(conv)), { tool, ...(of !== undefined && { seq: of }) })).seq);
    } catch (fault) {
      complain(fault);
    }
    setBusy(false);
  };
  return (
    <span class="anchor" ref={box}>
      <button type="button" class="linkish tools-open" aria-expanded={open} aria-haspopup="true" aria-busy={busy} disabled={busy} onClick={() => setOpen(!open)}>
        {busy ? <span class="spin" aria-hidden="true" /> : <Icon shape="tool" />}
        {busy ? t("tools.busy") : t("tools.menu")}
      </button>
      {open && (
        <div class="menu">
          {TOOLS.map((tool) => <button key={tool} type="button" onClick={() => void run(tool, seq)}>{t(`tools.${tool}`)}</button>)}
          <button type="button" onClick={() => void run("qa")}>{t("tools.qa_all")}</button>
        </div>
      )}
    </span>
  );
}

/** A message with the places marked that a finding rests on. */
export function Marked({ text, spans }: { text: string; spans: Span[] }): JSX.Element {
  return <p class="plain">{pieces(text, spans).map((piece, n) => (n % 2 ? <mark key={n}>{piece}</mark> : piece))}</p>;
}

interface Props {
  text: string;
  findings: Finding[];
  /** The number of the finding that is marked in the message. */
  shown: number | undefined;
  onShow: (seq: number | undefined) => void;
}

export function Findings({ text, findings, shown, onShow }: Props): JSX.Element {
  const length = [...text].length;
  return (
    <>
      {findings.map((one) => {
        const marks = spansOf(one, length).length > 0;
        return (
          <section key={one.seq} class="beside found" aria-label={known(`tool.${one.name}`) ?? one.name}>
            <p class="beside-head">
              <Icon shape="tool" />
              <span class="grow">{known(`tool.${one.name}`) ?? one.name}<span class="dim"> · {nameOf(one.by)}</span></span>
              {marks && <button type="button" class="linkish" aria-pressed={shown === one.seq} onClick={() => onShow(shown === one.seq ? undefined : one.seq)}>{shown === one.seq ? t("tools.hide") : t("tools.show")}</button>}
            </p>
            <Found finding={one} />
          </section>
        );
      })}
    </>
  );
}

function Found({ finding }: { finding: Finding }): JSX.Element {
  const mood = finding.name === "sentiment" ? moodOf(finding.outcome) : undefined;
  if (mood) {
    const scores = finding.outcome.scores as Record<string, unknown> | undefined;
    return (
      <dl class="facts">
        {(["positive", "neutral", "negative"] as const).map((label) => (
          <div key={label}><dt class={label === mood.label ? "strong" : ""}>{t(`mood.${label}`)}</dt><dd class={`num${label === mood.label ? " strong" : ""}`}>{typeof scores?.[label] === "number" ? percent(scores[label] as number) : "–"}</dd></div>
        ))}
      </dl>
    );
  }
  const attributes = attributesOf(finding);
  if (attributes.length)
    return (
      <dl class="facts">
        {attributes.map(({ name, value, confidence }, n) => (
          <div key={n}><dt class="cut">{name}</dt><dd dir="auto">{value}</dd>{confidence !== undefined && <dd class="num sure" title={t("tools.sure")}>{percent(confidence)}</dd>}</div>
        ))}
      </dl>
    );
  const pairs = pairsOf(finding);
  if (pairs.length)
    return (
      <>
        <ul class="pairs">{pairs.map((pair, n) => <PairItem key={n} pair={pair} />)}</ul>
        {pairs.length > 1 && <SaveAll pairs={pairs} />}
      </>
    );
  const { left_out, unparsable } = finding.outcome;
  return <p class="dim">{t(left_out ? "tools.personal" : unparsable ? "tools.unparsable" : "tools.none")}</p>;
}

function PairItem({ pair }: { pair: Pair }): JSX.Element {
  const [saving, setSaving] = useState(false);
  return (
    <li>
      <p class="strong" dir="auto">{pair.question}</p>
      <p dir="auto">{pair.answer}</p>
      <button type="button" class="linkish" onClick={() => setSaving(true)}>{t("tools.save_canned")}</button>
      {saving && <SavePair pair={pair} onDone={() => setSaving(false)} />}
    </li>
  );
}

/** Every pair becomes a canned reply under a shortcut of its own; after a fault it goes on with the first that is not saved. */
function SaveAll({ pairs }: { pairs: Pair[] }): JSX.Element {
  const [state, setState] = useState<"new" | "saving" | "saved">("new");
  const done = useRef(0);
  const save = async (): Promise<void> => {
    setState("saving");
    try {
      await readCanned();
      const taken = new Set(canned.value.map((one) => one.shortcut));
      for (const pair of pairs.slice(done.current)) {
        await saveNew(pair, taken);
        done.current += 1;
      }
      toast(t("ui.saved"));
      setState("saved");
    } catch (problem) {
      complain(problem);
      setState("new");
    }
    void readCanned();
  };
  return <p class="save-all"><Button disabled={state !== "new"} onClick={() => void save()}>{t("tools.save_all", { n: pairs.length })}</Button></p>;
}

/** So many shortcuts may be taken by others in between. */
const TRIES = 5;

/** Saves a pair under a shortcut that nobody has, and notes it among the `taken`. */
async function saveNew({ question, answer }: Pair, taken: Set<string>): Promise<void> {
  for (let n = 1; ; n += 1) {
    const shortcut = freeShortcut(question, taken);
    taken.add(shortcut);
    try {
      await post("/v1/staff/canned", { shortcut, title: [...question].slice(0, 100).join(""), text: answer });
      return;
    } catch (problem) {
      if (!(problem instanceof Fault) || problem.status !== 409 || n === TRIES) throw problem;
    }
  }
}

function SavePair({ pair, onDone }: { pair: Pair; onDone: () => void }): JSX.Element {
  const [shortcut, setShortcut] = useState(() => freeShortcut(pair.question, new Set(canned.value.map((one) => one.shortcut))));
  const [title, setTitle] = useState([...pair.question].slice(0, 100).join(""));
  const [text, setText] = useState(pair.answer);
  const [fault, setFault] = useState("");
  const save = async (): Promise<void> => {
    try {
      await post("/v1/staff/canned", { shortcut: shortcut.trim(), title: title.trim(), text });
      void readCanned();
      toast(t("ui.saved"));
      onDone();
    } catch (problem) {
      setFault(wordsOf(problem));
    }
  };
  return (
    <Sheet
      title={t("tools.save_canned")}
      onClose={onDone}
      footer={<><Button onClick={onDone}>{t("ui.cancel")}</Button><Button look="primary" disabled={!shortcut.trim() || !title.trim() || !text.trim()} onClick={() => void save()}>{t("ui.save")}</Button></>}
    >
      <div class="stack">
        {fault && <p class="fault" role="alert">{fault}</p>}
        <Field label={t("canned.shortcut")}>{(ids) => <input {...ids} class="input mono" maxLength={32} value={shortcut} onInput={(event) => setShortcut(event.currentTarget.value)} />}</Field>
        <Field label={t("canned.title")}>{(ids) => <input {...ids} class="input" maxLength={100} value={title} onInput={(event) => setTitle(event.currentTarget.value)} />}</Field>
        <Field label={t("canned.text")}>{(ids) => <textarea {...ids} class="input" rows={5} maxLength={4000} value={text} onInput={(event) => setText(event.currentTarget.value)} />}</Field>
      </div>
    </Sheet>
  );
}
