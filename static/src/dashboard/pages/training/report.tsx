// What became rows, and what was left out and why.

import type { JSX } from "preact";
import { known, number, t } from "../../i18n";
import type { ChatsReport, DataReport, FilesReport } from "../../training";

type Line = [name: string, value: number, deep?: boolean];

/** The server's name of a reason or of something taken out, in words; as it is where there are none. */
const title = (key: string): string => known(`report.${key}`) ?? key.replaceAll("_", " ");

/** A heading and what is under it; nothing if nothing is. */
function group(head: string, parts: Record<string, number>, name = title): Line[] {
  const counted = Object.entries(parts).filter(([, count]) => count > 0);
  const total = counted.reduce((sum, [, count]) => sum + count, 0);
  return counted.length ? [[head, total], ...counted.map(([key, count]): Line => [name(key), count, true])] : [];
}

const ofChats = (chats: ChatsReport): Line[] => [
  [title("chosen"), chats.chosen],
  [title("conversations"), chats.conversations],
  [title("rows"), chats.rows],
  ...group(title("targets"), { ...chats.targets }, (key) => known(`target.${key}`) ?? key),
  ...(chats.merged ? [[title("merged"), chats.merged, true] as Line] : []),
  ...group(title("redacted"), chats.redacted),
  ...group(title("left_out"), Object.fromEntries(Object.entries(chats.left_out).map(([reason, out]) => [reason, out.count]))),
];

const ofFiles = (files: FilesReport): Line[] => [
  ...group(title("files"), Object.fromEntries(files.files.map((one) => [one.file, one.rows])), (file) => file),
  ...(files.duplicates ? [[title("duplicate"), files.duplicates] as Line] : []),
];

export function ReportView({ report }: { report: DataReport }): JSX.Element {
  const lines = [...(report.chats ? ofChats(report.chats) : []), ...(report.files ? ofFiles(report.files) : [])];
  if (!lines.length) return <p class="dim">{t("report.nothing")}</p>;
  return (
    <dl class="facts report">
      {lines.map(([name, value, deep], n) => <div key={n} class={deep ? "deep" : ""}><dt>{name}</dt><dd class="num">{number(value)}</dd></div>)}
    </dl>
  );
}
