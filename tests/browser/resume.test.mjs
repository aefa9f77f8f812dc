// The server goes away, and nothing is lost: killed, restarted, drained, with messages waiting.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, chat, conversation, launch, lines, openChat, profile, say, seen, Server, staff, until } from "./harness.mjs";

const LOST = "Connection lost. Your messages are kept and will be sent.";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function shop(run) {
  const server = await new Server().start();
  const { context, caught } = await profile(browser, [new URL(server.url).host]);
  try {
    const page = await context.newPage();
    await page.goto(`${server.url}/demo/`);
    await run({ page, context, server });
    // A refused connection is told to the shopper, and is no fault of the page.
    assert.deepEqual(caught.filter((what) => !what.includes("ERR_CONNECTION")), []);
  } finally {
    await context.close();
    await server.remove();
  }
}

/** Every client id of the conversation, as the server keeps it. */
async function kept(context, server, conv) {
  const page = await context.newPage();
  await page.goto(`${server.url}/demo/`);
  const desk = staff(page);
  await desk.connect(conv);
  let events = [];
  await until("the whole history is there", async () => {
    const heard = await desk.heard();
    events = heard.filter((frame) => frame.t === "event");
    return events.some(({ seq }) => seq >= heard.find((frame) => frame.t === "welcome").heads[conv]);
  });
  await page.close();
  return events;
}

test("a killed server: the loss is said, what was written is sent after the restart, once", () =>
  shop(async ({ page, context, server }) => {
    const frame = await openChat(page);
    await ask(frame, "before");
    const conv = await conversation(frame);
    await server.stop("SIGKILL");
    await seen(frame, LOST).waitFor();
    await say(frame, "[[raw]]meanwhile");
    await seen(frame, "Not sent yet").waitFor();
    await say(frame, "[[raw]]and more");
    await server.start();
    await seen(frame, LOST).waitFor({ state: "hidden", timeout: 40_000 });
    await seen(frame, "Not sent yet").first().waitFor({ state: "detached" });
    await until("both are answered", async () => (await lines(frame)).some((line) => line.startsWith("reply") && line.includes("and more")));
    const events = await kept(context, server, conv);
    const said = events.filter((event) => event.kind === "said").map((event) => event.text);
    assert.deepEqual(said, ["before", "meanwhile", "and more"].map((text) => `[[raw]]${text}`));
    assert.deepEqual(events.map((event) => event.seq), events.map((_, i) => i + 1));
  }));

test("a server killed in the middle of an answer: it is finished once, or marked as interrupted", () =>
  shop(async ({ page, context, server }) => {
    const frame = await openChat(page);
    await say(frame, "[[slow 100]] [[long 40]]");
    await seen(frame, "word6").waitFor();
    const conv = await conversation(frame);
    await server.stop("SIGKILL");
    await seen(frame, LOST).waitFor();
    await server.start();
    let replies = [];
    await until("the answer has ended", async () => (replies = (await kept(context, server, conv)).filter((event) => event.kind === "reply")).length === 1, 40_000);
    assert.ok(["complete", "interrupted"].includes(replies[0].ended), replies[0].ended);
    await until("the page shows the same", async () => {
      const shown = (await lines(frame)).filter((line) => line.startsWith("reply"));
      return (shown.length === 1 && shown[0] === `reply: ${replies[0].text.trim()}`) || shown;
    }, 40_000);
  }));

test("a message survives a closed page while the server is down", () =>
  shop(async ({ page, context, server }) => {
    const frame = await openChat(page);
    await ask(frame, "before");
    const conv = await conversation(frame);
    await server.stop("SIGKILL");
    await seen(frame, LOST).waitFor();
    await say(frame, "[[raw]]written without a server");
    await seen(frame, "Not sent yet").waitFor();
    await page.close();
    await server.start();
    const next = await context.newPage();
    await next.goto(`${server.url}/demo/`);
    await openChat(next);
    await until("it is answered", async () => (await lines(chat(next))).at(-1) === "reply: written without a server");
    const said = (await kept(context, server, conv)).filter((event) => event.kind === "said").map((event) => event.text);
    assert.deepEqual(said, ["[[raw]]before", "[[raw]]written without a server"]);
  }));

test("a server that stops in order says when to come back, and the chat goes on", () =>
  shop(async ({ page, server }) => {
    const frame = await openChat(page);
    await ask(frame, "before");
    await server.stop("SIGTERM");
    await seen(frame, LOST).waitFor();
    await server.start();
    await seen(frame, LOST).waitFor({ state: "hidden", timeout: 40_000 });
    await ask(frame, "after");
    assert.equal((await lines(frame)).length, 4);
  }));

test("a token that has ended is renewed, and the conversation goes on", () =>
  shop(async ({ page }) => {
    const frame = await openChat(page);
    await ask(frame, "before");
    const conv = await conversation(frame);
    // As far as the page knows the token is good; the server will not have it.
    await frame.locator("body").evaluate(() => {
      const kept = JSON.parse(localStorage.getItem("shopclerk.session"));
      kept.expires_at = 1;
      localStorage.setItem("shopclerk.session", JSON.stringify(kept));
    });
    await page.reload();
    await ask(chat(page), "after");
    assert.equal(await conversation(chat(page)), conv);
    assert.equal((await lines(chat(page))).length, 4);
  }));

test("a shopper who writes too fast is told how long to wait, and the message is sent then", async () => {
  const server = await new Server({ env: { SHOPCLERK__CHAT__MESSAGES_PER_MINUTE: "10" } }).start();
  const { context } = await profile(browser, [new URL(server.url).host]);
  try {
    const page = await context.newPage();
    await page.goto(`${server.url}/demo/`);
    const frame = await openChat(page);
    // The allowance grows back while we write, so how many it takes depends on the machine.
    const told = seen(frame, /Your message will be sent in \d+ s\./);
    let n = 0;
    let wait = false;
    while (!wait) {
      assert.ok(++n < 60, "never told to wait");
      await say(frame, `[[raw]]message ${n}`);
      await until("answered or refused", async () => (wait = await told.isVisible()) || (await lines(frame)).at(-1) === `reply: message ${n}`);
    }
    assert.ok(n > 10, `told to wait at message ${n}`);
    await until("it is answered", async () => (await lines(frame)).at(-1) === `reply: message ${n}`, 20_000);
  } finally {
    await context.close();
    await server.remove();
  }
});
