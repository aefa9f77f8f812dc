// The loader as a guest in a shop's page at another address, under the shop's own strict policy.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, get } from "node:http";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { ask, chat, conversation, freePort, launch, lines, openChat, profile, say, Server, until } from "./harness.mjs";

let browser, server, shop, shopUrl, hosts;

const SECRET = "a secret of the shop, 32 bytes or more";

/** What the shop's own server signs for a shopper who is logged in. */
function vouch(sub) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, aud: "shopclerk", exp: Math.floor(Date.now() / 1000) + 300 })}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

/** The page the shop answers with; tests change it. */
let page = { head: "", policy: "" };

before(async () => {
  const port = await freePort();
  shopUrl = `http://127.0.0.1:${port}`;
  server = await new Server({ env: { SHOPCLERK__WEB__ORIGINS: `["${shopUrl}"]`, SHOPCLERK__WEB__IDENTITY_SECRETS: `["${SECRET}"]` } }).start();
  browser = await launch();
  shop = createServer((_, reply) => {
    reply.setHeader("Content-Type", "text/html; charset=utf-8");
    if (page.policy) reply.setHeader("Content-Security-Policy", page.policy);
    reply.end(`<!doctype html><html lang="en"><head><title>A shop</title>${page.head}</head><body><h1>A shop</h1><p>Goods.</p></body></html>`);
  }).listen(port, "127.0.0.1");
  await once(shop, "listening");
  hosts = [new URL(shopUrl).host, new URL(server.url).host];
});
after(async () => {
  shop?.close();
  await browser?.close();
  await server?.remove();
});

const tag = (attributes = "") => `<script src="${server.url}/widget.js" async ${attributes}></script>`;
const strict = () => `default-src 'none'; script-src ${server.url}; frame-src ${server.url}; require-trusted-types-for 'script'`;

async function visit(run, options = {}) {
  const { context, caught } = await profile(browser, hosts, options);
  try {
    const tab = await context.newPage();
    await tab.goto(shopUrl);
    await run(tab, caught);
    assert.deepEqual(caught, []);
  } finally {
    await context.close();
  }
}

test("one script tag is enough, under a policy that allows nothing but us", async () => {
  page = { head: tag(), policy: strict() };
  await visit(async (tab) => {
    const frame = await openChat(tab);
    await ask(frame, "hello from another origin");
    await frame.getByRole("button", { name: "Close the chat" }).click();
    await tab.getByRole("button", { name: "Open chat" }).waitFor();
  });
});

test("nothing of the chat but the loader is loaded before it is wanted, and the page does not move", async () => {
  page = { head: tag(), policy: strict() };
  const { context, caught } = await profile(browser, hosts);
  const tab = await context.newPage();
  const asked = [];
  tab.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await tab.goto(shopUrl);
  await tab.getByRole("button", { name: "Open chat" }).waitFor();
  const place = () => tab.locator("h1").boundingBox();
  const before = await place();
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(asked.filter((path) => path !== "/" && path !== "/favicon.ico"), ["/widget.js"]);
  await openChat(tab);
  assert.deepEqual(await place(), before);
  assert.deepEqual(await tab.evaluate(() => [document.body.scrollWidth <= innerWidth, document.body.children.length]), [true, 3]);
  assert.deepEqual(caught, []);
  await context.close();
});

/** An answer as it comes over the wire. */
async function wire(path, headers = {}) {
  const [reply] = await once(get(server.url + path, { headers }), "response");
  const body = Buffer.concat(await reply.toArray());
  return { status: reply.statusCode, headers: reply.headers, body };
}

test("the chat is sent in 20 KiB, and the same to who takes no gzip", async () => {
  const gzip = { "accept-encoding": "gzip, deflate, br" };
  const frame = (await wire("/widget/")).body.toString();
  const files = ["/widget.js", "/widget/", ...[...frame.matchAll(/(?:src|href)="?(\/widget\/[^" >]+)/g)].map(([, file]) => file)];
  assert.equal(files.length, 4, files.join(" "));
  let sent = 0;
  for (const file of files) {
    const [packed, plain] = [await wire(file, gzip), await wire(file)];
    assert.deepEqual([packed.headers["content-encoding"], plain.headers["content-encoding"]], ["gzip", undefined], file);
    assert.equal(packed.headers.vary.toLowerCase(), "accept-encoding");
    assert.ok(gunzipSync(packed.body).equals(plain.body), file);
    assert.notEqual(packed.headers.etag, plain.headers.etag);
    assert.equal((await wire(file, { ...gzip, "if-none-match": packed.headers.etag })).status, 304);
    sent += packed.body.length;
  }
  assert.ok(sent <= 20 * 1024, `${sent} bytes`);
});

test("the shop's page can open, close and name the shopper, and nothing it does makes us throw", async () => {
  page = { head: tag(`data-color="#ffd400" data-lang="zh"`), policy: "" };
  await visit(async (tab) => {
    await tab.getByRole("button", { name: "打开聊天" }).waitFor();
    await tab.evaluate(() => window.Shopclerk.open());
    await chat(tab).getByRole("textbox", { name: "您的消息" }).waitFor();
    await tab.evaluate(() => window.Shopclerk.close());
    await tab.getByRole("button", { name: "打开聊天" }).waitFor();
    await tab.evaluate(() => {
      for (const value of [undefined, null, 7, {}, "", "x", "a.b.c", "x".repeat(100000)]) window.Shopclerk.identify(value);
    });
    await tab.evaluate(() => {
      for (const data of [null, 1, "open", { shopclerk: 1 }, { shopclerk: 1, t: "close" }, { shopclerk: 1, t: "look", color: "red;}" }, { shopclerk: 1, t: "unread", count: 1e9 }]) window.postMessage(data, "*");
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(await tab.getByRole("button", { name: "打开聊天", exact: true }).count(), 1, "messages of the page itself are not taken for the frame's");
  });
});

test("the frame does not listen to anyone but the page that its address names", async () => {
  page = { head: "", policy: "" };
  await visit(async (tab) => {
    // A page that lies about who it is.
    await tab.evaluate((url) => {
      const frame = document.createElement("iframe");
      frame.src = `${url}/widget/?origin=${encodeURIComponent("https://shop.example")}`;
      document.body.append(frame);
      window.heard = [];
      window.addEventListener("message", (event) => window.heard.push(event.data));
    }, server.url);
    const frame = tab.frameLocator("iframe");
    await frame.getByRole("textbox").waitFor();
    await tab.evaluate(() => document.querySelector("iframe").contentWindow.postMessage({ shopclerk: 1, t: "open" }, "*"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(await tab.evaluate(() => window.heard), []);
    assert.equal(await frame.locator("body").evaluate(() => document.activeElement === document.body), true);
  });
});

test("a page that is not on the shop's list cannot show the chat", async () => {
  const stranger = createServer((_, reply) => {
    reply.setHeader("Content-Type", "text/html");
    reply.end(`<!doctype html><title>x</title><body>${tag()}</body>`);
  }).listen(0, "127.0.0.1");
  await once(stranger, "listening");
  const { context } = await profile(browser, hosts);
  try {
    const tab = await context.newPage();
    const refused = [];
    tab.on("console", (message) => refused.push(message.text()));
    await tab.goto(`http://127.0.0.1:${stranger.address().port}/`);
    await tab.getByRole("button", { name: "Open chat" }).click();
    await until("the browser refuses the frame", () => refused.some((text) => text.includes("frame-ancestors")) || refused);
    assert.equal(await chat(tab).getByRole("textbox").count(), 0);
  } finally {
    await context.close();
    stranger.close();
  }
});

test("a shopper whom the shop vouches for finds the conversation again in another browser, and is never a stranger first", async () => {
  page = { head: tag(`data-identity="${vouch("customer-7")}"`), policy: strict() };
  let first;
  for (const visitNo of [1, 2]) {
    await visit(async (tab) => {
      const sessions = [];
      tab.on("response", (reply) => {
        if (reply.url().endsWith("/v1/shopper/session")) reply.json().then((one) => sessions.push(one), () => {});
      });
      const frame = await openChat(tab);
      if (visitNo === 1) await ask(frame, "remember me");
      await until("it is there", async () => (await lines(frame)).includes("reply: remember me"));
      await until("the session was seen", () => sessions.length > 0);
      assert.deepEqual(sessions.map(({ verified }) => verified), [true]);
      first ??= sessions[0].conversation;
      assert.equal(sessions[0].conversation, first);
    });
  }
  page = { head: tag(`data-identity="${vouch("customer-8")}"`), policy: strict() };
  await visit(async (tab) => {
    const frame = await openChat(tab);
    await ask(frame, "somebody else");
    assert.deepEqual(await lines(frame), ["shopper: [[raw]]somebody else", "reply: somebody else"]);
  });
});

test("a shopper who logs in goes on as the one the shop knows, and what another left unsent is not sent for them", async () => {
  page = { head: tag(), policy: strict() };
  await visit(async (tab) => {
    const frame = await openChat(tab);
    await ask(frame, "as a stranger");
    await tab.evaluate((jwt) => window.Shopclerk.identify(jwt), vouch("customer-9"));
    await until("the conversation is the customer's own", async () => (await lines(frame)).length === 0);
    await ask(frame, "as a customer");
    await tab.evaluate((jwt) => window.Shopclerk.identify(jwt), vouch("customer-10"));
    await until("the conversation is the next one's", async () => (await lines(frame)).length === 0);
    await ask(frame, "as another");
    assert.deepEqual(await lines(frame), ["shopper: [[raw]]as another", "reply: as another"]);
  });
});

/** A customer who has asked something, in this tab and in another one. */
async function twoTabs(tab) {
  const frame = await openChat(tab);
  await ask(frame, "where is my order");
  const other = await tab.context().newPage();
  await other.goto(shopUrl);
  const beside = await openChat(other);
  await until("the other tab has it too", async () => (await lines(beside)).includes("reply: where is my order"));
  return { frame, other, beside };
}

test("after a log-out the next person at the browser finds nothing of the chat, in no tab", async () => {
  page = { head: tag(`data-identity="${vouch("customer-11")}"`), policy: strict() };
  await visit(async (tab) => {
    const { frame, beside } = await twoTabs(tab);
    const field = beside.getByRole("textbox", { name: "Your message", exact: true });
    await field.fill("my address is");
    // One that was told who it is, and has not opened the chat.
    const closed = await tab.context().newPage();
    await closed.goto(shopUrl);
    await closed.getByRole("button", { name: "Open chat" }).waitFor();
    page = { head: tag(), policy: strict() };
    await tab.evaluate(() => window.Shopclerk.logout());
    for (const [name, one] of [["this", frame], ["other", beside]]) {
      await until(`${name} tab shows nothing`, async () => (await lines(one)).length === 0);
    }
    await until("nor what was begun to write", async () => (await field.inputValue()) === "");
    const third = await openChat(closed);
    await until("the third tab is somebody", async () => (await conversation(third)) === (await conversation(frame)));
    assert.deepEqual(await lines(third), []);
    await ask(frame, "as a stranger");
    assert.deepEqual(await lines(frame), ["shopper: [[raw]]as a stranger", "reply: as a stranger"]);
    // A page that goes away at once: the next one does it. What is typed before it has gone would be lost.
    const gone = tab.waitForEvent("load");
    await tab.evaluate(() => {
      window.Shopclerk.logout();
      location.reload();
    });
    await gone;
    // It was open, and opens by itself.
    await ask(frame, "as yet another");
    assert.deepEqual(await lines(frame), ["shopper: [[raw]]as yet another", "reply: as yet another"]);
  });
});

test("two tabs that a log-out made strangers at once are one stranger", async () => {
  page = { head: tag(`data-identity="${vouch("customer-12")}"`), policy: strict() };
  await visit(async (tab) => {
    const { frame, other, beside } = await twoTabs(tab);
    let late;
    await other.route("**/v1/shopper/session", (route) => {
      late = new Promise((done) => setTimeout(done, 1_500)).then(() => route.continue()).catch(() => {});
    });
    page = { head: tag(), policy: strict() };
    await tab.evaluate(() => window.Shopclerk.logout());
    await ask(frame, "as a stranger");
    await until("the other tab asked, too", () => late !== undefined);
    await late;
    await until("the other tab joins", async () => (await lines(beside)).includes("reply: as a stranger") || (await lines(beside)));
    assert.deepEqual(await lines(frame), ["shopper: [[raw]]as a stranger", "reply: as a stranger"]);
    assert.equal(await conversation(frame), await conversation(beside));
  });
});

test("on a phone the chat fills the screen, and the page behind it does not scroll", async () => {
  page = { head: `${tag()}<meta name="viewport" content="width=device-width">`, policy: strict() };
  await visit(
    async (tab) => {
      const frame = await openChat(tab);
      await frame.getByRole("textbox").waitFor();
      await until("it fills the screen", async () => {
        const box = await tab.locator("#shopclerk iframe").boundingBox();
        return (box.x === 0 && box.y === 0 && box.width === 390 && box.height === 844) || box;
      });
      assert.equal(await tab.evaluate(() => document.documentElement.style.overflow), "hidden");
      await frame.getByRole("button", { name: "Close the chat" }).click();
      await until("the page scrolls again", () => tab.evaluate(() => document.documentElement.style.overflow === ""));
      assert.ok(Number.parseFloat(await frame.locator(".field textarea").evaluate((field) => getComputedStyle(field).fontSize)) >= 16, "a smaller font makes phones zoom");
    },
    { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  );
});

test("with storage switched off the chat still works", async () => {
  page = { head: tag(), policy: "" };
  const { context } = await profile(browser, hosts);
  await context.addInitScript(() => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, {
        get() {
          throw new DOMException("denied", "SecurityError");
        },
      });
    }
  });
  const tab = await context.newPage();
  await tab.goto(shopUrl);
  const frame = await openChat(tab);
  await ask(frame, "no storage");
  await context.close();
});

test("who wants less motion gets none", async () => {
  page = { head: tag(), policy: strict() };
  await visit(
    async (tab) => {
      const frame = await openChat(tab);
      await say(frame, "[[slow 200]] [[long 5]]");
      await frame.locator(".waiting i").first().waitFor({ state: "attached" });
      assert.deepEqual(await frame.locator(".waiting i").evaluateAll((dots) => [...new Set(dots.map((dot) => getComputedStyle(dot).animationName))]), ["none"]);
      assert.equal(await tab.locator("#shopclerk .panel").evaluate((panel) => getComputedStyle(panel).transitionDuration), "0s");
    },
    { reducedMotion: "reduce" },
  );
});
