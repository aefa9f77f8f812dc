// A message's small Markdown, as nodes: nothing in a message becomes markup, and nothing is loaded.

import type { ComponentChildren, JSX } from "preact";
import { type Inline, blocks } from "../../widget/markdown";
import { memo } from "./kit";

function inlines(parts: Inline[]): ComponentChildren {
  return parts.map((part) => {
    switch (part.t) {
      case "text":
        return part.text;
      case "br":
        return <br />;
      case "code":
        return <code>{part.text}</code>;
      case "b":
        return <strong>{inlines(part.inner)}</strong>;
      case "i":
        return <em>{inlines(part.inner)}</em>;
      case "link":
        return (
          <>
            <a href={part.href} target="_blank" rel="noopener noreferrer nofollow ugc">{part.text}</a>
            {part.host && <span class="host"> ({part.host})</span>}
          </>
        );
    }
  });
}

export const Rich = memo(function Rich({ text }: { text: string }): JSX.Element {
  return (
    <>
      {blocks(text).map((block, n) => {
        switch (block.t) {
          case "code":
            return <pre key={n} tabIndex={0}><code>{block.text}</code></pre>;
          case "ul":
            return <ul key={n}>{block.items.map((item) => <li>{inlines(item)}</li>)}</ul>;
          case "ol":
            return <ol key={n} start={block.start}>{block.items.map((item) => <li>{inlines(item)}</li>)}</ol>;
          case "h":
            return <p key={n} class="head">{inlines(block.inner)}</p>;
          default:
            return <p key={n}>{inlines(block.inner)}</p>;
        }
      })}
    </>
  );
});
