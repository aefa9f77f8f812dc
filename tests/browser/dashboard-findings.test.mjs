// Tools on single messages: what they find stands beside the message, its places marked; a pair becomes a canned reply.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, Server } from "./harness.mjs";
import { colleague, composer, faults, shopper, transcript, until, visit } from "./dashboard-kit.mjs";

let browser, server, mara;
before(async () => {
  server = await new Server().start();
  browser = await launch();
  mara = await colleague(browser, server, "mara", { display: "Mara Lindqvist", role: "admin" });
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

test("a colleague reads the mood of a message and sees which sentences make it; the shopper sees nothing of it", async () => {
  const { page } = mara;
  const ada = await shopper(browser, server);
  await ada.say("The red box 🎒 is torn");
  await ada.sees("You asked:");
  await visit(page, server, await ada.conv());
  const message = transcript(page).locator(".entry.shopper").first();
  await message.getByRole("button", { name: "Tools" }).click();
  assert.deepEqual(await faults(page), []);
  await message.getByRole("button", { name: "Read the mood" }).click();
  const found = message.getByRole("region", { name: "Mood" });
  await found.getByText("Mara Lindqvist").waitFor();
  await until("its sentences are marked", async () => (await message.locator("mark").count()) > 0);
  const marked = await message.locator("mark").allTextContents();
  assert.deepEqual(marked, ["The red box 🎒 is torn"], "of one sentence all of it");
  assert.deepEqual(await faults(page), []);
  await found.getByRole("button", { name: "Hide the marks" }).click();
  assert.equal(await message.locator("mark").count(), 0);
  await page.reload();
  await transcript(page).locator(".entry.shopper").first().getByRole("region", { name: "Mood" }).getByRole("button", { name: "Mark in the message" }).click();
  await until("marked again", async () => (await message.locator("mark").count()) === marked.length);
  assert.ok(!(await ada.page.frames().at(-1).content()).includes("<mark"));
  assert.deepEqual([...ada.caught, ...mara.caught], []);
  await ada.context.close();
});

test("a whole conversation becomes pairs, and all of them canned replies at once", async () => {
  const { page } = mara;
  const cy = await shopper(browser, server);
  await cy.say("Are returns of boots free? When are refunds paid?");
  await cy.sees("You asked:");
  await visit(page, server, await cy.conv());
  await page.getByRole("button", { name: "Take over" }).click();
  await composer(page).fill("Returns of boots 🥾 are free for 30 days. Refunds are paid within five days.");
  await composer(page).press("Enter");
  const answer = transcript(page).locator(".entry:not(.unsent)").filter({ hasText: "Refunds are paid within" }).last();
  await answer.waitFor();
  await transcript(page).locator(".entry.shopper").first().getByRole("button", { name: "Tools" }).click();
  await page.getByRole("button", { name: "Make pairs of the whole conversation" }).click();
  const found = answer.getByRole("region", { name: "Questions and answers" });
  await found.getByText("When are refunds paid?", { exact: true }).waitFor();
  await found.getByRole("button", { name: "Mark in the message" }).click();
  await until("its answers are marked", async () => (await answer.locator("mark").count()) === 2);
  assert.deepEqual(await faults(page), []);
  await found.getByRole("button", { name: "Save all 2 as canned replies" }).click();
  await page.getByText("Saved").waitFor();
  const { canned } = await page.evaluate(async () => (await fetch("/v1/staff/canned")).json());
  assert.deepEqual(canned.map((one) => [one.shortcut, one.text]), [
    ["are-returns-of-boots-free", "Returns of boots 🥾 are free for 30 days."],
    ["when-are-refunds-paid", "Refunds are paid within five days."],
  ]);
  assert.deepEqual([...cy.caught, ...mara.caught], []);
  await cy.context.close();
});

test("a question-answer pair of a reply is saved as a canned reply and used", async () => {
  const { page } = mara;
  const bo = await shopper(browser, server);
  await bo.say("Returns 📦 are free for 30 days.");
  await bo.sees("You asked:");
  // The scripted model asks no questions that lead back to an answer: the page is told of one on the way.
  await page.routeWebSocket(/\/v1\/ws$/, (socket) => {
    const far = socket.connectToServer();
    far.onMessage((text) => {
      const frame = JSON.parse(text);
      if (frame.kind === "tool" && frame.name === "qa") frame.outcome.pairs = [{ question: "Are returns free?", answer: "Returns 📦 are free for 30 days.", start: 0, end: 31 }];
      socket.send(JSON.stringify(frame));
    });
  });
  await page.reload();
  await visit(page, server, await bo.conv());
  const message = transcript(page).locator(".entry.shopper").first();
  await message.getByRole("button", { name: "Tools" }).click();
  await message.getByRole("button", { name: "Make question-answer pairs" }).click();
  const found = message.getByRole("region", { name: "Questions and answers" });
  await found.getByText("Are returns free?", { exact: true }).waitFor();
  await until("marked", async () => (await message.locator("mark").count()) === 1);
  assert.deepEqual(await message.locator("mark").allTextContents(), ["Returns 📦 are free for 30 days."]);
  await found.getByRole("button", { name: "Save as canned reply" }).click();
  assert.equal(await page.getByLabel("Shortcut").inputValue(), "are-returns-free");
  await page.getByLabel("Text").fill("Returns are free for 30 days after delivery.");
  assert.deepEqual(await faults(page), []);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Saved").waitFor();
  await composer(page).focus();
  await composer(page).pressSequentially("/are");
  await page.getByRole("option", { name: /are-returns-free/ }).waitFor();
  await composer(page).press("Enter");
  await until("it is filled", async () => (await composer(page).inputValue()) === "Returns are free for 30 days after delivery.");
  await composer(page).fill("");
  await message.getByRole("button", { name: "Tools" }).click();
  await message.getByRole("button", { name: "Find attributes" }).click();
  await message.getByRole("region", { name: "Attributes" }).waitFor();
  assert.deepEqual([...bo.caught, ...mara.caught], []);
  await bo.context.close();
});
