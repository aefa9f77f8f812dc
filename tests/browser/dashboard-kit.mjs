// What the dashboard's browser tests share: colleagues, logins, codes of a second factor, shoppers.

import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { axeSource, chat, conversation, openChat, profile, say, seen, until } from "./harness.mjs";

export const PASSWORD = "correct horse battery";
export const SECRET = "a secret of the shop of 32 bytes or more";

/** A one-time link's token for a new colleague, from the command line, while the server runs. */
export function invite(server, name, { display = name, role = "agent" } = {}) {
  const out = execFileSync(server.child.spawnfile, ["--data", server.data, "staff", "add", name, "--display", display, "--role", role], { encoding: "utf8" });
  return /#invite=(\S+)/.exec(out)[1];
}

/** A browser of a colleague's own, logged in and in the inbox. */
export async function colleague(browser, server, name, options = {}) {
  const { role, display, token = invite(server, name, { role, display }), ...look } = options;
  const { context, caught } = await profile(browser, [new URL(server.url).host], look);
  const page = await context.newPage();
  await page.goto(`${server.url}/dashboard/#invite=${encodeURIComponent(token)}`);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("Password again").fill(PASSWORD);
  await page.getByRole("button", { name: "Go to the inbox" }).click();
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
  return { page, context, caught };
}

export async function login(page, server, name, password = PASSWORD) {
  await page.goto(`${server.url}/dashboard/`);
  await page.getByLabel("Login name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** A shopper in the demo shop with the chat open. */
export async function shopper(browser, server, options = {}) {
  const { context, caught } = await profile(browser, [new URL(server.url).host], options);
  const page = await context.newPage();
  await page.goto(`${server.url}/demo/`);
  const frame = await openChat(page);
  return { page, context, caught, frame, conv: () => conversation(chat(page)), say: (text) => say(frame, text), sees: (text) => seen(frame, text).first().waitFor() };
}

/** Opens a conversation by its address, and waits for it. */
export async function visit(page, server, conv, tab = "all") {
  // Not what is open still: it would be taken for this one.
  await page.goto(`${server.url}/dashboard/#/inbox/${tab}`);
  await page.locator(".talk-head").waitFor({ state: "detached" });
  await page.goto(`${server.url}/dashboard/#/inbox/${tab}/${conv}`);
  await page.locator(".talk-head").waitFor();
}

// By their classes: they have other names in other languages.
export const transcript = (page) => page.locator(".transcript");
/** Only while it is a private note that is written. */
export const note = (page) => page.getByRole("textbox", { name: "Your private note" });
export const composer = (page) => page.locator(".composer textarea");

/** All messages as they are shown: `kind: text`. */
export function said(page) {
  return transcript(page).locator(".entry:not(.live)").evaluateAll((entries) =>
    entries.map((entry) => `${["shopper", "staff", "reply", "note", "summary"].find((kind) => entry.classList.contains(kind))}: ${(entry.querySelector(".bubble") ?? entry.querySelector(".entry-in > div"))?.textContent ?? ""}`),
  );
}

/** What axe finds on a page. */
export async function faults(page) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join("; ")}`);
}

/** RFC 6238: the code of a secret in base32 at a time. */
export function totp(secret, at = Date.now()) {
  const bits = [...secret.replace(/[\s=]/g, "").toUpperCase()].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac("sha1", key).update(counter).digest();
  const offset = mac.at(-1) & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** What the shop's own server signs for a shopper who is logged in. */
export function vouch(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ aud: "shopclerk", exp: Math.floor(Date.now() / 1000) + 300, ...claims })}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

/** A session over HTTP, for shoppers who need no browser. */
export async function session(server, claims) {
  const reply = await fetch(`${server.url}/v1/shopper/session`, { method: "POST", headers: { "Content-Type": "application/json", Origin: server.url }, body: JSON.stringify(claims ? { identity: vouch(claims) } : {}) });
  if (!reply.ok) throw new Error(`no session: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

/**
 * Says texts as a shopper over a socket of a page at the server's own address, each when the one before is on disk
 * (`ack`), or answered (`reply`): texts in a burst are one turn. Not faster than a socket may send.
 */
export async function speak(page, { conversation: conv, token }, texts, after = "ack") {
  await page.evaluate(
    ([conv, token, texts, after]) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1/ws`, ["shopclerk.v1", `token.${token}`]);
        const left = texts.map((text, n) => ({ t: "say", conv, text, cmid: `${Date.now().toString(16).padStart(12, "0").replace(/^(.{8})/, "$1-")}-7${String(n).padStart(3, "0")}-8000-${Math.floor(Math.random() * 2 ** 48).toString(16).padStart(12, "0")}` }));
        const next = () => {
          const frame = left.shift();
          if (frame) socket.send(JSON.stringify(frame));
          else {
            socket.close();
            resolve();
          }
        };
        socket.onopen = () => socket.send(JSON.stringify({ t: "hello", resume: [] }));
        socket.onmessage = (message) => {
          const frame = JSON.parse(message.data);
          if (frame.t === "welcome" || frame.t === after || frame.kind === after) setTimeout(next, 120);
          else if (frame.t === "error") reject(new Error(frame.code));
        };
        socket.onclose = () => reject(new Error("closed"));
      }),
    [conv, token, texts, after],
  );
}

export { until };
