// Nothing that anybody writes becomes script, markup or a request: message, answer, page address, language, identity.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { chat, launch, lines, openChat, profile, say, Server, until } from "./harness.mjs";
import { PAYLOADS } from "./payloads.mjs";

let browser, server, host;
before(async () => {
  server = await new Server().start();
  browser = await launch();
  host = new URL(server.url).host;
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

/** What a message may be made of. */
const TAGS = ["P", "STRONG", "EM", "CODE", "PRE", "UL", "OL", "LI", "BR", "A", "SPAN"];
const ATTRIBUTES = ["dir", "class", "href", "target", "rel", "start", "tabindex"];

/** Every element of every message that is not of the safe kind. */
function strangers(scope) {
  return scope.locator(".lines").evaluate(
    (list, [tags, attributes]) =>
      [...list.querySelectorAll(".bubble *")].flatMap((element) => {
        const odd = [];
        if (!tags.includes(element.tagName)) odd.push(`<${element.tagName}>`);
        for (const { name, value } of element.attributes) if (!attributes.includes(name)) odd.push(`${element.tagName} ${name}=${value}`);
        if (element.tagName === "A") {
          if (!element.href.startsWith("https://") || new URL(element.href).username) odd.push(element.href);
          if (element.rel !== "noopener noreferrer nofollow ugc" || element.target !== "_blank") odd.push(`link without its guards: ${element.href}`);
          if (!element.textContent.includes(new URL(element.href).host)) odd.push(`link that hides where it goes: ${element.href}`);
        }
        return odd;
      }),
    [TAGS, ATTRIBUTES],
  );
}

test("the corpus is as large as it should be, and the traps do catch", async () => {
  assert.equal(PAYLOADS.length, 300);
  assert.equal(new Set(PAYLOADS.map(({ text }) => text)).size, 300);
  const { context, caught } = await profile(browser, ["127.0.0.1:1"]);
  const page = await context.newPage();
  await page.setContent(`<img src="https://hostile.example/p.png"><script>window.__ran = 1</script><img src=x onerror="alert(1)">`);
  await until("every trap has caught", () => ["request: https://hostile.example", "script ran: 1", "dialog: alert"].every((start) => caught.some((what) => what.startsWith(start))) || caught);
  await context.close();
});

/** `list` in parts of `size`. */
function parts(list, size) {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

async function converse(payloads) {
  const { context, caught } = await profile(browser, [host]);
  const page = await context.newPage();
  await page.goto(`${server.url}/demo/`);
  const frame = await openChat(page);
  for (const [n, { name, text }] of payloads.entries()) {
    await say(frame, `[[raw]]${text}`);
    await until(`${name}: answered`, async () => (await frame.locator(".line.reply:not(.welcome):not(.live)").count()) === n + 1, 30_000);
    assert.deepEqual(caught, [], name);
  }
  assert.deepEqual(await strangers(frame), []);
  // The shopper's own words are shown as they were written, without any mark.
  assert.equal(await frame.locator(".line.shopper .bubble :not(p)").count(), 0);
  const shown = await frame.locator(".line.shopper .bubble").allTextContents();
  assert.equal(shown.length, payloads.length);
  // And again from the store, after a reload.
  await page.reload();
  await until("all are there again", async () => (await chat(page).locator(".line.reply:not(.welcome)").count()) === payloads.length, 30_000);
  assert.deepEqual(await strangers(chat(page)), []);
  assert.deepEqual(await chat(page).locator(".line.shopper .bubble").allTextContents(), shown);
  assert.deepEqual(caught, []);
  await context.close();
}

test("as a message, and as the answer of the model", async () => {
  await Promise.all(parts(PAYLOADS, 75).map(converse));
});

test("in the address of the frame", async () => {
  const { context, caught } = await profile(browser, [host]);
  const page = await context.newPage();
  for (const three of parts(PAYLOADS, 3)) {
    const [lang, origin, rest] = three.map(({ text }) => encodeURIComponent(text));
    await page.goto(`${server.url}/widget/?lang=${lang}&origin=${origin}&vouched=${rest}&${rest}=${rest}#${rest}`);
    await page.getByRole("textbox", { name: "Your message" }).waitFor();
    assert.deepEqual(caught, [], three.map(({ name }) => name).join(" / "));
  }
  await context.close();
});

test("in the addresses of the demo shop", async () => {
  const { context, caught } = await profile(browser, [host]);
  const page = await context.newPage();
  const pages = ["?category=", "product.html?id=", "policy.html?id="];
  for (const [n, two] of parts(PAYLOADS, 2).entries()) {
    const [value, hash] = two.map(({ text }) => encodeURIComponent(text));
    await page.goto(`${server.url}/demo/${pages[n % pages.length]}${value}#${hash}`);
    await page.getByRole("heading").first().waitFor();
    assert.deepEqual(caught, [], two.map(({ name }) => name).join(" / "));
  }
  await context.close();
});

test("in what a shop's page gives the loader: language, identity, colour, and messages", async () => {
  const escape = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
  let [lang, identity, color] = ["", "", ""];
  const shop = createServer((_, reply) => {
    reply.setHeader("Content-Type", "text/html; charset=utf-8");
    reply.end(`<!doctype html><html lang="en"><title>A shop</title><body><script src="${server.url}/widget.js" data-lang="${escape(lang)}" data-identity="${escape(identity)}" data-color="${escape(color)}"></script></body>`);
  }).listen(0, "127.0.0.1");
  await once(shop, "listening");
  const own = `127.0.0.1:${shop.address().port}`;
  const listed = new Server({ env: { SHOPCLERK__WEB__ORIGINS: `["http://${own}"]` } });
  listed.port = Number(new URL(server.url).port);
  await server.stop();
  await listed.start();
  const { context, caught } = await profile(browser, [host, own]);
  try {
    const page = await context.newPage();
    for (const three of parts(PAYLOADS, 3)) {
      [lang, identity, color] = three.map(({ text }) => text);
      await page.goto(`http://${own}/`);
      await page.evaluate((values) => {
        window.Shopclerk.open();
        for (const value of values) window.Shopclerk.identify(value);
      }, [lang, identity, color]);
      await chat(page).getByRole("textbox").first().waitFor();
      await page.evaluate((values) => {
        const frame = document.querySelector("#shopclerk").shadowRoot.querySelector("iframe");
        for (const value of values) {
          for (const t of ["open", "closed", "identify", value]) frame.contentWindow.postMessage({ shopclerk: 1, t, jwt: value, color: value, title: value, count: value }, "*");
          for (const t of ["ready", "close", "unread", "look", value]) window.postMessage({ shopclerk: 1, t, color: value, title: value, count: value }, "*");
        }
      }, [lang, identity, color]);
      assert.deepEqual(caught, [], three.map(({ name }) => name).join(" / "));
    }
  } finally {
    await context.close();
    shop.close();
    await listed.remove();
  }
});
