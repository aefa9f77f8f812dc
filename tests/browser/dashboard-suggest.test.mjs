// The model drafts a reply for an agent: streamed into the composer, edited, sent, kept as a pair; never over what was written.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, launch, lines, Server } from "./harness.mjs";
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

/** A shopper who waits for a person and has asked `text`, opened by Mara. */
async function asks(text) {
  const one = await shopper(browser, server);
  await ask(one.frame, "Hello.");
  await one.frame.getByRole("button", { name: "Talk to a person" }).click();
  await one.sees("A person will answer you here.");
  await one.say(text);
  const conv = await one.conv();
  await visit(mara.page, server, conv);
  await transcript(mara.page).getByText(text).waitFor();
  return one;
}

const value = () => composer(mara.page).inputValue();

test("a suggestion is streamed, edited and sent; draft and reply are kept as a pair; the shopper sees only the reply", async () => {
  const ada = await asks("[[slow 400]] [[raw]]It left this morning and comes on Friday.");
  const { page } = mara;
  await page.getByRole("button", { name: "Take over" }).click();
  await page.getByText("You answer; the assistant is silent").waitFor();
  await page.getByRole("button", { name: "Suggest" }).click();
  // Piece by piece: a part of it is there while it goes on.
  await until("a part of it", async () => (await value()).startsWith("It left") && (await value()).length < 40);
  await page.getByRole("button", { name: "Stop" }).waitFor();
  await until("all of it", async () => (await value()) === "It left this morning and comes on Friday.");
  await page.getByText("As suggested").waitFor();
  await composer(page).fill("It left this morning and comes on Saturday.");
  await page.getByText("draft and reply are kept as a pair").waitFor();
  await composer(page).press("Enter");
  await ada.sees("It left this morning and comes on Saturday.");
  await page.getByRole("button", { name: "Edited from the assistant's draft" }).click();
  await page.locator(".beside").getByText("It left this morning and comes on Friday.").waitFor();
  assert.deepEqual((await lines(ada.frame)).filter((line) => line.startsWith("staff")), ["staff: It left this morning and comes on Saturday."]);
  // What was gathered is counted where training begins.
  await page.goto(`${server.url}/dashboard/#/training`);
  const gathered = page.getByRole("region", { name: "Gathered so far" });
  await until("one reply, which is a pair", async () => (await gathered.locator("dd").allTextContents()).join() === "1,1,0,0");
  assert.deepEqual(await faults(page), []);
  assert.deepEqual([...ada.caught, ...mara.caught], []);
  await ada.context.close();
});

test("what somebody wrote is replaced only if they say so, and Escape brings it back", async () => {
  const bo = await asks("[[raw]]Yes, in four days.");
  const { page } = mara;
  await composer(page).fill("Dear Bo,");
  await page.getByRole("button", { name: "Suggest" }).click();
  const asking = page.getByRole("alertdialog", { name: "Replace what you wrote with a suggestion?" });
  await asking.getByRole("button", { name: "Keep mine" }).click();
  assert.equal(await value(), "Dear Bo,");
  await page.getByRole("button", { name: "Suggest" }).click();
  await asking.waitFor();
  assert.deepEqual(await faults(page), []);
  await asking.getByRole("button", { name: "Replace" }).click();
  await until("the suggestion", async () => (await value()) === "Yes, in four days.");
  await page.getByText("As suggested").waitFor();
  await composer(page).press("Escape");
  assert.equal(await value(), "Dear Bo,");
  // An empty field needs no question; the shortcut does the same, and Escape while it is written keeps what came.
  await composer(page).fill("");
  await composer(page).press("Escape");
  await page.keyboard.press("s");
  await until("the suggestion", async () => (await value()) === "Yes, in four days.");
  await page.getByRole("button", { name: "Undo" }).click();
  assert.equal(await value(), "");
  assert.deepEqual([...bo.caught, ...mara.caught], []);
  await bo.context.close();
});

test("stopped, it keeps what came; a model that fails and one that has nothing to say are said", async () => {
  const cy = await asks("[[slow 100]] [[long 2000]]");
  const { page } = mara;
  await page.getByRole("button", { name: "Suggest" }).click();
  await until("a part of it", async () => (await value()).startsWith("word1 word2"));
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("As suggested").waitFor();
  const kept = await value();
  assert.match(kept, /^word1 word2/);
  assert.ok(!kept.includes("word2000"));
  await page.getByRole("button", { name: "Undo" }).click();
  // What is said after an answer is a question of its own.
  await composer(page).fill("One moment.");
  await composer(page).press("Enter");
  await cy.sees("One moment.");
  await cy.say("[[fail]]");
  await transcript(page).getByText("[[fail]]").waitFor();
  await page.getByRole("button", { name: "Suggest" }).click();
  await page.getByText("The assistant could not write a suggestion.").waitFor();
  assert.equal(await value(), "");
  await cy.say("ha".repeat(200));
  await transcript(page).getByText("haha").waitFor();
  await page.getByRole("button", { name: "Suggest" }).click();
  await page.getByText("No suggestion: the shop's facts do not answer this.").waitFor();
  assert.equal(await value(), "");
  assert.deepEqual([...cy.caught, ...mara.caught], []);
  await cy.context.close();
});
