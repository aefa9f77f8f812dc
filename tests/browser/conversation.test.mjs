// A conversation as a shopper has it, on the demo shop's own pages.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, chat, conversation, launch, lines, openChat, profile, say, seen, Server, staff, until } from "./harness.mjs";

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

async function shop(run, options) {
  const { context, caught } = await profile(browser, [host], options);
  try {
    const page = await context.newPage();
    await page.goto(`${server.url}/demo/`);
    await run(page, context);
    assert.deepEqual(caught, []);
  } finally {
    await context.close();
  }
}

test("a suggested question is asked and answered, and the answer is kept", () =>
  shop(async (page) => {
    const frame = await openChat(page);
    await frame.getByRole("button", { name: "Can I return shoes I have worn?" }).click();
    // The scripted model says what it was asked: the question and the shop's facts about it.
    await frame.getByRole("button", { name: "Good answer" }).waitFor();
    const [question, answer] = await lines(frame);
    assert.equal(question, "shopper: Can I return shoes I have worn?");
    assert.match(answer, /^reply: You asked: [\s\S]*60 days[\s\S]*Can I return shoes I have worn\?$/);
    assert.equal(await frame.locator(".suggestions").isVisible(), false);
  }));

test("an answer streams, goes on over a reload in its middle, and a second tab shows the same", () =>
  shop(async (page, context) => {
    const frame = await openChat(page);
    await say(frame, "[[slow 150]] [[long 60]]");
    // While it goes on, or once it has ended: a slow machine loads the page anew in seconds.
    const reply = (scope) => scope.locator(".line.reply:not(.welcome) .bubble");
    await seen(frame, "word5").waitFor();
    const before = (await reply(frame).textContent()).length;
    await page.reload();
    // The chat was open before the reload, so it is open after it.
    await seen(chat(page), "word20").waitFor();
    assert.ok((await reply(chat(page)).textContent()).length > before);
    const second = await context.newPage();
    await second.goto(`${server.url}/demo/policy.html?id=returns`);
    const other = await openChat(second);
    await seen(other, "word30").waitFor();
    await chat(page).locator(".line.live").waitFor({ state: "detached" });
    await other.locator(".line.live").waitFor({ state: "detached" });
    const all = Array.from({ length: 60 }, (_, i) => `word${i + 1}`).join(" ");
    assert.deepEqual(await lines(chat(page)), ["shopper: [[slow 150]] [[long 60]]", `reply: ${all}`]);
    assert.deepEqual(await lines(other), await lines(chat(page)));
    await ask(other, "from the second tab");
    await until("the first tab shows it", async () => (await lines(chat(page))).at(-1) === "reply: from the second tab");
  }));

test("the chat stays open and goes on while the shopper walks through the shop", () =>
  shop(async (page) => {
    const frame = await openChat(page);
    await say(frame, "[[slow 60]] [[long 40]]");
    await seen(frame, "word3").waitFor();
    await page.getByRole("link", { name: "Scree Mid Boot" }).click();
    await page.waitForURL(/product/);
    await seen(chat(page), "word40").waitFor();
    assert.equal((await lines(chat(page))).length, 2);
  }));

test("a sign of work is shown at once, and a stopped answer is kept and can be made again", () =>
  shop(async (page) => {
    const frame = await openChat(page);
    // The sign is looked for every half second.
    await say(frame, "[[slow 800]] [[long 20]]");
    await seen(frame, "Wren is working…").waitFor();
    await seen(frame, "word2").waitFor();
    await frame.getByRole("button", { name: "Stop the answer" }).click();
    await seen(frame, "Stopped", { exact: true }).waitFor();
    const [, cut] = await lines(frame);
    assert.match(cut, /^reply: word1 word2/);
    assert.ok(!cut.includes("word20"));
    await frame.getByRole("button", { name: "Try again" }).click();
    await seen(frame, "word20").waitFor({ timeout: 40_000 });
    assert.equal((await lines(frame)).length, 2);
    assert.equal(await frame.getByRole("button", { name: "Try again" }).count(), 0);
  }));

test("a failed answer says so and can be made again", () =>
  shop(async (page) => {
    const frame = await openChat(page);
    await say(frame, "[[fail]]");
    await seen(frame, "The answer failed. Nothing you wrote is lost.").waitFor();
    await frame.getByRole("button", { name: "Try again" }).waitFor();
  }));

test("a judgement is kept over a reload, and a bad one may be explained", () =>
  shop(async (page) => {
    const frame = await openChat(page);
    await ask(frame, "first");
    await frame.getByRole("button", { name: "Good answer" }).click();
    await seen(frame, "Thank you.").waitFor();
    await frame.getByRole("button", { name: "Bad answer" }).click();
    await frame.getByRole("textbox", { name: "What was wrong? (optional)" }).fill("It did not answer.");
    await frame.getByRole("button", { name: "Send comment" }).click();
    await seen(frame, "Thank you.").waitFor();
    await page.reload();
    const bad = chat(page).getByRole("button", { name: "Bad answer" });
    await bad.waitFor();
    await until("the thumb is down", async () => (await bad.getAttribute("aria-pressed")) === "true");
    const monitor = await page.context().newPage();
    await monitor.goto(`${server.url}/demo/`);
    const desk = staff(monitor);
    await desk.connect(await conversation(chat(page)));
    await until("staff see the comment", async () => (await desk.heard()).some((frame) => frame.kind === "rating" && frame.comment === "It did not answer."));
  }));

test("a person is asked for, comes, answers, and hands back; the assistant is silent meanwhile", () =>
  shop(async (page, context) => {
    const frame = await openChat(page);
    await say(frame, "[[slow 100]] [[long 90]]");
    await seen(frame, "word4").waitFor();
    await frame.getByRole("button", { name: "Talk to a person" }).click();
    await seen(frame, "A person will answer you here.").waitFor();
    await seen(frame, "You asked for a person").first().waitFor();
    await frame.getByRole("button", { name: "Continue with the assistant" }).click();
    await frame.getByRole("button", { name: "Talk to a person" }).click();
    await seen(frame, "A person will answer you here.").waitFor();

    const desk = staff(await context.newPage().then(async (one) => (await one.goto(`${server.url}/demo/`), one)));
    const conv = await conversation(frame);
    await desk.connect(conv);
    await desk.send({ t: "take", conv });
    await seen(frame, "You are talking to a person").waitFor();
    await say(frame, "Are you a person?");
    await desk.send({ t: "typing", conv });
    await seen(frame, "Someone is typing…").waitFor();
    await desk.send({ t: "say", conv, cmid: "0192f0a1-b2c3-7fff-bfff-000000000001", text: "Yes, I am **one**." });
    await seen(frame, "Yes, I am one.").waitFor();
    await desk.send({ t: "release", conv });
    await seen(frame, "The assistant answers again").last().waitFor();
    await ask(frame, "Here I am.");
    const said = await lines(frame);
    assert.deepEqual(said.slice(2), ["shopper: Are you a person?", "staff: Yes, I am one.", "shopper: [[raw]]Here I am.", "reply: Here I am."]);
    assert.ok(!said[1].includes("word90"), said[1]);
  }));

test("what is new while the chat is closed is counted on its button", () =>
  shop(async (page) => {
    const frame = await openChat(page);
    await say(frame, "[[slow 100]] [[long 60]]");
    await seen(frame, "word1").waitFor();
    await frame.getByRole("button", { name: "Close the chat" }).click();
    await page.getByRole("button", { name: "Open chat", exact: true }).waitFor();
    const button = page.getByRole("button", { name: "Open chat (1 unread)" });
    await button.waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.id), "shopclerk");
    await button.click();
    await page.getByRole("button", { name: "Close chat" }).waitFor();
    await seen(frame, "word60").waitFor();
  }));

test("Escape closes, focus goes in and comes back, and the keyboard reaches everything", () =>
  shop(async (page) => {
    await page.getByRole("button", { name: "Open chat" }).focus();
    await page.keyboard.press("Enter");
    const frame = chat(page);
    const field = frame.getByRole("textbox", { name: "Your message" });
    await until("the field has the focus", () => field.evaluate((one) => document.activeElement === one));
    await page.keyboard.type("hello");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("there");
    assert.equal(await field.inputValue(), "hello\nthere");
    await page.keyboard.press("Tab");
    assert.equal(await frame.locator(":focus").getAttribute("aria-label"), "Send");
    await page.keyboard.press("Tab");
    assert.equal(await frame.locator(":focus").textContent(), "Talk to a person");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Open chat" }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.className), "launcher");
    await page.reload();
    // An unfinished message is kept.
    await page.getByRole("button", { name: "Open chat" }).click();
    assert.equal(await chat(page).getByRole("textbox", { name: "Your message" }).inputValue(), "hello\nthere");
  }));

test("a screen reader hears whole sentences, once", () =>
  shop(async (page) => {
    const frame = await openChat(page);
    await say(frame, "[[slow 40]] [[raw]]We are open today. You can come by! Is that what you wanted to know? Good");
    await frame.getByRole("button", { name: "Good answer" }).waitFor();
    const heard = await frame.locator("[aria-live=polite] p").allTextContents();
    assert.deepEqual(heard.join(" "), "We are open today. You can come by! Is that what you wanted to know? Good");
    for (const sentence of heard.slice(0, -1)) assert.match(sentence, /[.!?]$/);
  }));

test("a message that is too long is not sent and the shopper sees by how much", () =>
  shop(async (page) => {
    const frame = await openChat(page);
    await frame.getByRole("textbox", { name: "Your message" }).fill("a".repeat(4010));
    await seen(frame, "10 characters too many").waitFor();
    assert.equal(await frame.getByRole("button", { name: "Send" }).isDisabled(), true);
  }));
