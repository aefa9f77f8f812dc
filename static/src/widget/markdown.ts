// The small part of Markdown that a message may use, as data: paragraphs, lists, code, bold, italics, https links.
//
// There are no images, no HTML and no reference links on purpose: nothing in a message may load anything from anywhere.

export type Inline =
  | { t: "text"; text: string }
  | { t: "br" }
  | { t: "code"; text: string }
  | { t: "b" | "i"; inner: Inline[] }
  | { t: "link"; href: string; text: string; host: string };

export type Block =
  | { t: "p" | "h"; inner: Inline[] }
  | { t: "code"; text: string }
  | { t: "ul" | "ol"; items: Inline[][]; start: number };

/** A block with the text it was made from: the same source gives the same block. */
export type Sourced = Block & { source: string };

const FENCE = /^ {0,3}(```|~~~)/;
const ITEM = /^\s*(?:[-*+•]|(\d{1,9})[.)])(?:\s+(.*))?$/;
const HEADING = /^ {0,3}#{1,6}\s+(.*?)\s*#*$/;
/** Marks within marks, at most: a hostile message must not cost more than its length. */
const DEPTH = 4;

/** Splits `text` into blocks. A block that is not finished yet (while streaming) is shown as far as it goes. */
export function blocks(text: string): Sourced[] {
  const out: Sourced[] = [];
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  let i = 0;
  while (i < lines.length) {
    const line = lines[i]!;
    if (!line.trim()) {
      i++;
      continue;
    }
    const from = i;
    const fence = FENCE.exec(line)?.[1];
    let block: Block;
    if (fence) {
      i++;
      while (i < lines.length && !lines[i]!.trimStart().startsWith(fence)) i++;
      block = { t: "code", text: lines.slice(from + 1, i).join("\n") };
      i++;
    } else if (HEADING.test(line)) {
      block = { t: "h", inner: inlines(HEADING.exec(line)![1]!) };
      i++;
    } else if (ITEM.test(line)) {
      [block, i] = list(lines, i);
    } else {
      i++;
      while (i < lines.length && lines[i]!.trim() && !FENCE.test(lines[i]!) && !ITEM.test(lines[i]!) && !HEADING.test(lines[i]!)) i++;
      block = { t: "p", inner: paragraph(lines.slice(from, i)) };
    }
    out.push({ ...block, source: lines.slice(from, i).join("\n") });
  }
  return out;
}

function list(lines: string[], from: number): [Block, number] {
  const first = ITEM.exec(lines[from]!)!;
  const ordered = first[1] !== undefined;
  const items: string[][] = [];
  let i = from;
  for (; i < lines.length; i++) {
    const line = lines[i]!;
    const item = ITEM.exec(line);
    if (item && (item[1] !== undefined) === ordered) items.push([item[2] ?? ""]);
    else if (line.trim() && /^\s{2,}/.test(line) && !item) items.at(-1)!.push(line.trim());
    else if (!line.trim() && ITEM.test(lines[i + 1] ?? "")) continue;
    else break;
  }
  const start = ordered ? Number(first[1]) : 1;
  return [{ t: ordered ? "ol" : "ul", items: items.map(paragraph), start }, i];
}

function paragraph(lines: string[]): Inline[] {
  return lines.flatMap((line, n): Inline[] => (n ? [{ t: "br" }, ...inlines(line.trim())] : inlines(line.trim())));
}

// Images come first: their mark contains a link's. Each alternative is bounded, so that no input is slow.
const MARK =
  /!\[([^\][]{0,300})\](?:\([^()\s]{0,2000}\)|\[[^\][]{0,100}\])?|\[([^\][]{1,300})\]\(([^()\s]{1,2000})\)|(`{1,3})([^`]{1,2000})\4|(\*\*|__)(?=\S)(.{1,2000}?)(?<=\S)\6|(?<![\w*])\*(?=[^\s*])([^*]{1,2000}?)(?<=\S)\*(?!\*)|(?<![\w_])_(?=[^\s_])([^_]{1,2000}?)(?<=\S)_(?!\w)|https:\/\/[^\s<>"'`()[\]{}\\]{1,2000}/g;

/** Marks inside one line. */
export function inlines(text: string, depth = 0): Inline[] {
  if (depth > DEPTH) return [{ t: "text", text }];
  const out: Inline[] = [];
  let end = 0;
  const plain = (piece: string): void => {
    if (piece) out.push({ t: "text", text: piece });
  };
  for (const mark of text.matchAll(MARK)) {
    plain(text.slice(end, mark.index));
    end = mark.index + mark[0].length;
    const [whole, image, label, href, , code, , bold, star, underscore] = mark;
    if (image !== undefined) plain(image);
    else if (label !== undefined) out.push(link(label, href!) ?? { t: "text", text: whole });
    else if (code !== undefined) out.push({ t: "code", text: code });
    else if (bold !== undefined) out.push({ t: "b", inner: inlines(bold, depth + 1) });
    else if (star !== undefined || underscore !== undefined) {
      out.push({ t: "i", inner: inlines((star ?? underscore)!, depth + 1) });
    } else {
      const bare = whole.replace(/[.,;:!?…]+$/, "");
      out.push(link(bare, bare) ?? { t: "text", text: bare });
      plain(whole.slice(bare.length));
    }
  }
  plain(text.slice(end));
  return out;
}

/** A link, if it is a plain https address. `host` is where it really goes, to be shown; empty if the text says it. */
function link(label: string, href: string): Inline | undefined {
  let url: URL;
  try {
    url = new URL(href);
  } catch {
    return undefined;
  }
  if (url.protocol !== "https:" || url.username || url.password || !url.hostname.includes(".")) return undefined;
  const text = label.replace(/[*_`]/g, "");
  const says = /^(?:https:\/\/)?([^/?#\s]+)/i.exec(text.trim())?.[1]?.toLowerCase();
  return { t: "link", href: url.href, text, host: says === url.host ? "" : url.host };
}
