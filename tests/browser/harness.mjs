// What every browser test needs: a server of its own, a real Chromium, and traps for what must not happen.
//
// SHOPCLERK_BIN names the server (otherwise the newest build under target/ is taken), CHROMIUM the browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const require = createRequire(new URL("../../static/package.json", import.meta.url));
const { chromium } = require("playwright-core");
export const axeSource = require("axe-core").source;

export const API_KEY = "key-of-the-browser-tests";
/** Waits of this length mean that something is wrong, on a slow machine too. */
const START_MS = 30_000;
const SLOW_MS = 20_000;

export function binary() {
  if (process.env.SHOPCLERK_BIN) return process.env.SHOPCLERK_BIN;
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
  const found = ["release", "debug"].map((kind) => join(target, kind, "shopclerk")).filter((path) => existsSync(path));
  if (found.length === 0) throw new Error("no server to test: run `cargo build` first, or name one in SHOPCLERK_BIN");
  return found.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

/** The browser that CHROMIUM names, or the first of those that `.ci/setup` knows. */
function browserPath() {
  const named = process.env.CHROMIUM;
  if (named?.includes("/")) return named;
  const names = named ? [named] : ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const places = names.flatMap((name) => (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name)));
  const found = places.find((path) => existsSync(path));
  if (!found) throw new Error(`no browser: install Chromium or Chrome, or name one in CHROMIUM (looked for ${names.join(", ")})`);
  return found;
}

/** The model of tests that need a real one; `undefined` where there is none, which is a failure under `make test`. */
export function realModel() {
  const { SHOPCLERK_MODEL, SHOPCLERK_MODELS, SHOPCLERK_REQUIRE } = process.env;
  const name = "smollm2-135m-instruct";
  const model = SHOPCLERK_MODEL ?? (SHOPCLERK_MODELS && existsSync(join(SHOPCLERK_MODELS, name)) ? name : undefined);
  if (!model && SHOPCLERK_REQUIRE === "1") throw new Error("no model: run `shopclerk model pull` and set SHOPCLERK_MODELS");
  return model;
}

/** Limits that many tests from one address would meet. */
const ROOMY = {
  SHOPCLERK__CHAT__MESSAGES_PER_MINUTE: "100000",
  SHOPCLERK__CHAT__ADDRESS_MESSAGES_PER_MINUTE: "100000",
  SHOPCLERK__CHAT__TOKENS_PER_HOUR: "100000000",
  SHOPCLERK__CHAT__ADDRESS_TOKENS_PER_HOUR: "100000000",
  SHOPCLERK__WEB__REQUESTS_PER_MINUTE: "1000000",
  SHOPCLERK__WEB__SESSIONS_PER_MINUTE: "100000",
  SHOPCLERK__WEB__LOGINS_PER_MINUTE: "100000",
  SHOPCLERK__WEB__UPGRADES_PER_MINUTE: "100000",
  SHOPCLERK__WEB__SOCKETS_PER_ADDRESS: "1000",
};

/** A free port of this machine. */
export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

/** One server with a data folder of its own. It can be stopped, killed and started again at the same address. */
export class Server {
  /** @param {{model?: string, env?: Record<string, string>, args?: string[]}} options */
  constructor(options = {}) {
    this.options = options;
    this.data = mkdtempSync(join(tmpdir(), "shopclerk-browser-"));
    this.log = "";
    // Where `make` keeps the models it fetched.
    if (process.env.SHOPCLERK_MODELS) symlinkSync(process.env.SHOPCLERK_MODELS, join(this.data, "models"));
  }

  async start() {
    this.port ??= await freePort();
    const { model = "scripted", env = {}, args = [] } = this.options;
    this.child = spawn(binary(), ["serve", "--model", model, "--listen", `127.0.0.1:${this.port}`, "--data", this.data, ...args], {
      env: { ...process.env, ...ROOMY, SHOPCLERK_API_KEY: API_KEY, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stderr.on("data", (data) => (this.log = (this.log + data).slice(-20_000)));
    const lines = createInterface({ input: this.child.stdout });
    const ready = (async () => {
      for await (const line of lines) {
        const address = /listening on (http:\S+)/.exec(line)?.[1];
        if (address) return address;
      }
      throw new Error(`the server ended before it listened:\n${this.log}`);
    })();
    this.url = await within(START_MS, ready, () => `the server did not start:\n${this.log}`);
    return this;
  }

  /** Ends it: `SIGTERM` as an operator does, `SIGKILL` as a crash does. */
  async stop(signal = "SIGTERM") {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await within(START_MS, gone, () => `the server did not end:\n${this.log}`);
  }

  async remove() {
    await this.stop("SIGKILL");
    rmSync(this.data, { recursive: true, force: true });
  }
}

export async function within(ms, promise, words) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(words())), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function launch() {
  return chromium.launch({ executablePath: browserPath(), args: ["--no-sandbox"] });
}

/**
 * A browser profile of its own, with traps: dialogs, scripts of ours that ran (`__ran`), broken policies, errors, and
 * requests to anywhere but `hosts`.
 */
export async function profile(browser, hosts, options = {}) {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 860 }, ...options });
  context.setDefaultTimeout(SLOW_MS);
  const caught = [];
  await context.exposeBinding("__caught", (_, what) => void caught.push(what));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => void window.__caught?.(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    Object.defineProperty(window, "__ran", { set: (value) => void window.__caught?.(`script ran: ${String(value)}`) });
  });
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && !hosts.includes(url.host)) caught.push(`request: ${url.href}`);
  });
  context.on("dialog", (dialog) => {
    caught.push(`dialog: ${dialog.type()} ${dialog.message()}`);
    void dialog.dismiss().catch(() => {});
  });
  context.on("weberror", (error) => caught.push(`error: ${error.error().message}`));
  context.on("page", (page) => page.on("websocket", (socket) => {
    const { host } = new URL(socket.url());
    if (!hosts.includes(host)) caught.push(`socket: ${socket.url()}`);
  }));
  return { context, caught };
}

/** The chat's frame on a page, opened. */
export async function openChat(page, name = "Open chat") {
  await page.getByRole("button", { name }).click();
  return chat(page);
}

export function chat(page) {
  return page.frameLocator("#shopclerk iframe");
}

/** Writes and sends. `scope` is a page or a frame. */
export async function say(scope, text, name = "Your message") {
  await scope.getByRole("textbox", { name, exact: true }).fill(text);
  await scope.getByRole("textbox", { name, exact: true }).press("Enter");
}

/** What is seen: everything but what only a screen reader is told. */
export function seen(scope, text, options) {
  return scope.locator("#app > :not([role=log])").getByText(text, options);
}

/** Asks something that the scripted model answers with exactly `answer`, and waits for that. */
export async function ask(scope, answer) {
  await say(scope, `[[raw]]${answer}`);
  await scope.locator(".line.reply:not(.welcome):not(.live) .bubble").getByText(answer, { exact: true }).last().waitFor();
}

/** All finished entries: `kind: text`. */
export async function lines(scope) {
  try {
    return await scope.locator(".line:not(.welcome)").evaluateAll((items) =>
      items.map((item) => `${["shopper", "staff", "reply"].find((kind) => item.classList.contains(kind))}: ${item.querySelector(".bubble")?.textContent ?? ""}`),
    );
  } catch (error) {
    // The frame is being loaded.
    if (/context was destroyed/.test(error.message)) return lines(scope);
    throw error;
  }
}

/** Asks until the answer is what is expected. */
export async function until(what, ask, ms = SLOW_MS) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    last = await ask();
    if (last === true) return;
    if (Date.now() > end) throw new Error(`${what}: not so after ${ms} ms; last seen: ${JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Acts as the shop's staff over a socket of a page at the server's own address. */
export function staff(page) {
  return {
    connect: (conv) =>
      page.evaluate(
        ([key, id]) =>
          new Promise((resolve, reject) => {
            const socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1/ws`, ["shopclerk.v1", `token.${key}`]);
            window.staffSocket = socket;
            window.staffHeard = [];
            socket.onopen = () => socket.send(JSON.stringify({ t: "hello", resume: [{ conv: id, seq: 0 }] }));
            socket.onmessage = (message) => {
              const frame = JSON.parse(message.data);
              window.staffHeard.push(frame);
              if (frame.t === "welcome") resolve();
            };
            socket.onclose = (close) => reject(new Error(`closed ${close.code}`));
          }),
        [API_KEY, conv],
      ),
    send: (frame) => page.evaluate((one) => window.staffSocket.send(JSON.stringify(one)), frame),
    heard: () => page.evaluate(() => window.staffHeard),
  };
}

/** The conversation of this browser, from the frame's own storage. A message is drawn before the server gave it one: this waits. */
export async function conversation(frame) {
  let conv;
  await until("there is a conversation", async () => {
    conv = await frame.locator("body").evaluate(() => JSON.parse(localStorage.getItem("shopclerk.session") ?? "{}").conversation);
    return conv !== undefined;
  });
  return conv;
}
