// Builds the loader, the frame, the demo shop and the dashboard into dist/, as the server serves them:
// dist/widget.js, dist/widget/, dist/demo/, dist/dashboard/.

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { minify } from "terser";
import { build } from "vite";

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
rmSync(here("dist"), { recursive: true, force: true });

const shared = {
  configFile: false,
  logLevel: "warn",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { target: ["es2022", "chrome111", "firefox113", "safari16.4"], modulePreload: false, assetsInlineLimit: 0, emptyOutDir: false, reportCompressedSize: false },
};

// One classic script: it has to know its own address, which only `document.currentScript` tells.
await build({
  ...shared,
  publicDir: false,
  build: {
    ...shared.build,
    outDir: here("dist"),
    lib: { entry: here("src/loader/main.ts"), formats: ["iife"], name: "shopclerkLoader", fileName: () => "widget.js" },
  },
});

/** The widget's table of texts, turned: a language in one block packs better than three languages in turn. */
const turned = {
  name: "turned-texts",
  enforce: "pre",
  transform(code, id) {
    const table = id.endsWith("/widget/texts.ts") && /const ROWS = (\[\n[\s\S]*?\n\]) as const [^\n]*/.exec(code);
    if (!table) return undefined;
    const rows = new Function(`return ${table[1]}`)();
    const columns = JSON.stringify(rows[0].map((_, at) => rows.map((row) => row[at]).join("\n")).join("\n\n"));
    const call = `${columns}.split("\\n\\n").map((column) => column.split("\\n"))`;
    return { code: code.replace("columns(ROWS)", () => call).replace(table[0], ""), map: null };
  },
};

/** The frame's page without what it does not need: everything comes from its own origin. */
const bare = {
  name: "bare-page",
  transformIndexHtml: { order: "post", handler: (html) => html.replace(/\n\s*/g, "").replaceAll(" crossorigin", "").replace(/="([^ "]+)"/g, "=$1") },
};

const pages = (folder) => {
  const root = here(`pages/${folder}`);
  const input = readdirSync(root).filter((name) => name.endsWith(".html")).map((name) => `${root}/${name}`);
  return build({
    ...shared,
    root,
    base: `/${folder}/`,
    plugins: folder === "widget" ? [turned, bare] : [],
    publicDir: folder === "demo" ? `${root}/public` : false,
    build: { ...shared.build, outDir: here(`dist/${folder}`), rollupOptions: { input } },
  });
};
await pages("widget");
await pages("demo");
await pages("dashboard");

// What shoppers load is counted in bytes: a second minifier takes a hundred more from what Vite's own leaves. The names keep the
// hashes of before it, which change whenever the sources do.
for (const file of ["widget.js", ...readdirSync(here("dist/widget/assets")).map((name) => `widget/assets/${name}`)]) {
  if (!file.endsWith(".js")) continue;
  const path = here(`dist/${file}`);
  const { code } = await minify(readFileSync(path, "utf8"), { ecma: 2022, module: file !== "widget.js", compress: { passes: 3, unsafe_arrows: true } });
  writeFileSync(path, code);
}
