// What was said, newest last. It stays at the end unless somebody scrolled up to read.

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { dayName, t } from "../../i18n";
import { desk, nameOf, shopperName } from "../../state/app";
import { isWaiting, type Line, type Open } from "../../state/thread";
import { Avatar, Button } from "../../ui/kit";
import { Rich } from "../../ui/rich";
import { Entry, Unsent } from "./entry";

/** Entries drawn at first; older ones on request. */
const SHOWN = 150;
const NEAR_END = 80;

export function Transcript({ open, mark }: { open: Open; mark: number | undefined }): JSX.Element {
  const { thread } = open;
  const here = desk.value!;
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [shown, setShown] = useState(SHOWN);
  const [away, setAway] = useState(false);
  const letters = here.letters.value.filter((letter) => !thread.said.has(letter.cmid));
  const marked = mark === undefined ? -1 : thread.lines.findIndex((line) => line.seq === mark);
  const from = Math.max(0, Math.min(thread.lines.length - shown, marked < 0 ? Infinity : marked - 10));
  const lines = thread.lines.slice(from);

  useLayoutEffect(() => {
    const element = box.current!;
    if (atEnd.current && marked < 0) element.scrollTop = element.scrollHeight;
  });
  // A find stays in sight while more of the conversation comes, until somebody moves away from it.
  const left = useRef(false);
  useLayoutEffect(() => {
    left.current = false;
  }, [mark]);
  useLayoutEffect(() => {
    if (marked < 0 || left.current) return;
    atEnd.current = false;
    box.current!.querySelector(`[data-seq="${mark}"]`)?.scrollIntoView({ block: "center" });
  });
  const leave = (): void => {
    left.current = true;
  };
  // A find may be older than what came with the conversation.
  useEffect(() => {
    if (mark !== undefined && thread.first > mark) void here.reach(mark);
  }, [mark, thread.conv, thread.first]);
  useEffect(() => {
    const look = (): void => {
      if (!document.hidden && document.hasFocus()) here.seen();
    };
    look();
    addEventListener("focus", look);
    return () => removeEventListener("focus", look);
  }, [thread.seq]);

  const onScroll = (): void => {
    // The last word of a scroll may come when the conversation is gone.
    if (!box.current) return;
    const { scrollHeight, scrollTop, clientHeight } = box.current;
    atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (away === atEnd.current) setAway(!atEnd.current);
  };
  const earlier = async (): Promise<void> => {
    const element = box.current!;
    const below = element.scrollHeight - element.scrollTop;
    if (from === 0) await here.earlier();
    setShown(shown + SHOWN);
    requestAnimationFrame(() => (element.scrollTop = element.scrollHeight - below));
  };
  return (
    <div class="transcript" ref={box} onScroll={onScroll} onWheel={leave} onPointerDown={leave} onKeyDown={leave} tabIndex={0} role="region" aria-label={t("talk.transcript")}>
      {(from > 0 || thread.first > 1) && <div class="earlier"><Button look="tiny" disabled={here.loadingEarlier.value} onClick={() => void earlier()}>{t("talk.earlier")}</Button></div>}
      <ol class="lines">
        {lines.map((line, n) => <Item key={line.id} line={line} before={lines[n - 1]} marked={line.seq === mark} />)}
        {letters.map((letter) => <Unsent key={letter.cmid} letter={letter} />)}
        {thread.live && (
          <li class="entry reply live" key={thread.live.mid}>
            <Avatar kind="ai" small />
            <div class="entry-in">
              <p class="entry-by">{t("who.ai")}</p>
              <div class="bubble"><Rich text={thread.live.text} /></div>
            </div>
          </li>
        )}
      </ol>
      <Typing open={open} />
      {away && <Button look="to-end" icon="down" onClick={() => { atEnd.current = true; box.current!.scrollTop = box.current!.scrollHeight; }}>{t("talk.newest")}</Button>}
    </div>
  );
}

/** An entry, and the day above it where one begins. */
function Item({ line, before, marked }: { line: Line; before: Line | undefined; marked: boolean }): JSX.Element {
  const newDay = !before || new Date(before.at).toDateString() !== new Date(line.at).toDateString();
  const follows = !newDay && before !== undefined && before.kind === line.kind && line.at - before.at < 5 * 60_000 && ("staff" in before ? before.staff : "") === ("staff" in line ? line.staff : "");
  return (
    <>
      {newDay && <li class="day"><span>{dayName(line.at)}</span></li>}
      <Entry line={line} follows={follows} marked={marked} />
    </>
  );
}

function Typing({ open: { thread } }: { open: Open }): JSX.Element {
  const here = desk.value!;
  const words: string[] = [];
  if (isWaiting(thread)) words.push(thread.place > 0 ? t("talk.ai_place", { n: thread.place }) : t("talk.ai_works"));
  for (const one of here.typists.value) {
    if (one.who === "shopper") {
      const row = here.row(thread.conv);
      words.push(t("talk.types", { name: row ? shopperName(row.shopper) : t("who.shopper") }));
    } else if (one.who === "staff") words.push(t("talk.types", { name: nameOf(one.staff) || t("who.staff") }));
  }
  return (
    <p class="typing" role="status">
      {words.length > 0 && <span class="dots" aria-hidden="true"><i /><i /><i /></span>}
      {words.join(" · ")}
    </p>
  );
}

