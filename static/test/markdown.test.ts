import { describe, expect, it } from "vitest";
import { blocks, type Inline, inlines } from "../src/widget/markdown";

/** The inline parts in short: `b(bold)`, `link(text|href|host)`. */
function short(parts: Inline[]): string {
  return parts
    .map((part) => {
      if (part.t === "text") return part.text;
      if (part.t === "br") return "⏎";
      if (part.t === "link") return `link(${part.text}|${part.href}|${part.host})`;
      return `${part.t}(${part.t === "code" ? part.text : short(part.inner)})`;
    })
    .join("");
}

describe("marks in a line", () => {
  it.each([
    ["plain text", "plain text"],
    ["**bold** and *italic* and _both **nested**_", "b(bold) and i(italic) and i(both b(nested))"],
    ["`code **not bold**`", "code(code **not bold**)"],
    ["2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"],
    ["an open **mark", "an open **mark"],
    ["__bold__", "b(bold)"],
    ["see https://shop.example/returns.", "see link(https://shop.example/returns|https://shop.example/returns|)."],
    ["[returns](https://shop.example/r)", "link(returns|https://shop.example/r|shop.example)"],
    ["[shop.example](https://shop.example/r)", "link(shop.example|https://shop.example/r|)"],
    ["[shop.example](https://evil.example/)", "link(shop.example|https://evil.example/|evil.example)"],
    ["[https://shop.example](https://shop.example.evil.example/)", "link(https://shop.example|https://shop.example.evil.example/|shop.example.evil.example)"],
    ["[ѕhop](https://ѕhop.example/)", "link(ѕhop|https://xn--hop-ehd.example/|xn--hop-ehd.example)"],
    ["[x](http://shop.example)", "[x](http://shop.example)"],
    ["[x](javascript:alert(1))", "[x](javascript:alert(1))"],
    ["[x](JaVaScRiPt:alert`1`)", "[x](JaVaScRiPt:alert`1`)"],
    ["[x](data:text/html,hi)", "[x](data:text/html,hi)"],
    ["[x](//evil.example)", "[x](//evil.example)"],
    ["[x](/v1/shopper/session)", "[x](/v1/shopper/session)"],
    ["[x](https://user:pass@evil.example/)", "[x](https://user:pass@evil.example/)"],
    ["[x](https://shop.example@evil.example/)", "[x](https://shop.example@evil.example/)"],
    ["[x](https://localhost/)", "[x](https://localhost/)"],
    ["![picture](https://evil.example/p.png?q=secret)", "picture"],
    ["![picture][ref]", "picture"],
    ["[text][ref]", "[text][ref]"],
    ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
  ])("%s", (text, expected) => {
    expect(short(inlines(text))).toBe(expected);
  });
});

describe("blocks", () => {
  const kinds = (text: string): string[] => blocks(text).map((block) => block.t);

  it("are paragraphs, lists, code and headings", () => {
    const text = "Hello\nthere\n\n1. one\n2. two\n   more\n\n- a\n- b\n\n```js\n<b>\n```\n## Title\nend";
    expect(kinds(text)).toEqual(["p", "ol", "ul", "code", "h", "p"]);
    const [p, ol, , code] = blocks(text);
    expect(p?.t === "p" && short(p.inner)).toBe("Hello⏎there");
    expect(ol?.t === "ol" && ol.items.map(short)).toEqual(["one", "two⏎more"]);
    expect(code?.t === "code" && code.text).toBe("<b>");
  });

  it("keep a list's first number", () => {
    expect(blocks("3. three\n4. four")[0]).toMatchObject({ t: "ol", start: 3 });
  });

  it("show an unfinished fence as code, and reference definitions as text", () => {
    expect(kinds("```\nunfinished")).toEqual(["code"]);
    expect(kinds("[ref]: https://evil.example/")).toEqual(["p"]);
  });

  it("of a growing text stay the same but for the last: little is built again while a reply streams", () => {
    const text = "First **bold** paragraph.\n\n- one\n- two\n\nLast [link](https://shop.example/a) here.";
    for (let end = 1; end < text.length; end++) {
      const before = blocks(text.slice(0, end)).slice(0, -1).map((block) => block.source.trimEnd());
      const after = blocks(text.slice(0, end + 1)).map((block) => block.source.trimEnd());
      expect(after.slice(0, before.length)).toEqual(before);
    }
  });
});

it("hostile texts of the longest length are taken apart in good time", () => {
  for (const seed of ["*", "**a", "_", "[", "![", "[a](", "`", "``", "**", "__a", "https://", "[a](https://a.b", "- ", "1. ", "```\n", "# ", "*a _b **c "]) {
    const text = seed.repeat(Math.ceil(4000 / seed.length));
    const from = performance.now();
    blocks(text);
    blocks(text.replaceAll(seed, `${seed}\n`));
    expect(performance.now() - from, JSON.stringify(seed)).toBeLessThan(250);
  }
});
