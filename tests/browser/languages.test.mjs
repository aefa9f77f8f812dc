// Chinese, and Arabic from right to left.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, chat, launch, openChat, profile, say, seen, Server } from "./harness.mjs";

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

/** The frame by itself, in a browser of this language. */
async function frameIn(locale, run) {
  const { context, caught } = await profile(browser, [host], { locale, viewport: { width: 408, height: 700 } });
  try {
    const page = await context.newPage();
    await page.goto(`${server.url}/widget/`);
    await run(page);
    assert.deepEqual(caught, []);
  } finally {
    await context.close();
  }
}

test("Chinese", () =>
  frameIn("zh-CN", async (page) => {
    assert.equal(await page.locator("html").getAttribute("lang"), "zh");
    await page.getByRole("button", { name: "穿过的鞋子可以退货吗？" }).click();
    await page.getByRole("button", { name: "回答得好", exact: true }).waitFor();
    await page.getByRole("button", { name: "转人工客服" }).click();
    await seen(page, "人工客服会在这里回复您。").waitFor();
  }));

test("Arabic, mirrored", () =>
  frameIn("ar-EG", async (page) => {
    assert.equal(await page.locator("html").getAttribute("dir"), "rtl");
    await page.getByRole("button", { name: "كم يستغرق الشحن؟" }).click();
    await page.getByRole("button", { name: "إجابة جيدة" }).waitFor();
    const box = async (selector) => page.locator(selector).first().boundingBox();
    const [mine, theirs, send] = [await box(".line.shopper .bubble"), await box(".line.reply:not(.welcome) .bubble"), await box(".send")];
    assert.ok(mine.x < 30, "what the shopper wrote is on the left");
    assert.ok(theirs.x + theirs.width > 378, "answers are on the right");
    assert.ok(send.x < 60, "the button to send is on the left");
    await say(page, "[[raw]]English in between", "رسالتك");
    await page.locator(".line.reply .bubble").getByText("English in between", { exact: true }).waitFor();
    assert.equal(await page.locator(".line.reply p").last().evaluate((p) => getComputedStyle(p).direction), "ltr");
  }));

test("the page's own language comes before the browser's", async () => {
  const { context } = await profile(browser, [host], { locale: "en-GB" });
  const page = await context.newPage();
  await page.goto(`${server.url}/widget/?lang=ar-EG`);
  assert.equal(await page.locator("html").getAttribute("lang"), "ar");
  await context.close();
});

test("two people with two languages have two conversations", async () => {
  const one = await profile(browser, [host], { locale: "zh-CN" });
  const two = await profile(browser, [host], { locale: "en-GB" });
  const pages = await Promise.all([one, two].map(({ context }) => context.newPage()));
  await Promise.all(pages.map((page) => page.goto(`${server.url}/demo/`)));
  // The demo shop is in English, so its chat is too, whatever the browser speaks.
  await Promise.all(pages.map((page) => openChat(page)));
  await ask(chat(pages[0]), "mine");
  assert.equal(await seen(chat(pages[1]), "mine").count(), 0);
  await one.context.close();
  await two.context.close();
});
