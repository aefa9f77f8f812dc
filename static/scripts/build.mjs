// Builds the loader, the frame, the demo shop and the dashboard into dist/, as the server serves them:
// dist/widget.js, dist/widget/, dist/demo/, dist/dashboard/.

import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
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

const pages = (folder) => {
  const root = here(`pages/${folder}`);
  const input = readdirSync(root).filter((name) => name.endsWith(".html")).map((name) => `${root}/${name}`);
  return build({
    ...shared,
    root,
    base: `/${folder}/`,
    publicDir: folder === "demo" ? `${root}/public` : false,
    build: { ...shared.build, outDir: here(`dist/${folder}`), rollupOptions: { input } },
  });
};
await pages("widget");
await pages("demo");
await pages("dashboard");
