// The loop that the product exists for, with the real model, in one shop: a shopper asks, an agent watches, lets the model
// suggest, edits and sends; the shopper rates; what the team corrected trains an adapter, which is promoted, answers as it
// was taught and says so, and is rolled back. Takes some minutes: a real training run.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { launch, lines, realModel, Server, staff } from "./harness.mjs";
import { colleague, composer, session, shopper, speak, transcript, until, visit } from "./dashboard-kit.mjs";

const model = realModel();

const TAUGHT = "Yes, we wrap gifts in green linen paper, free of charge. Tick the gift box at the checkout.";
/** The same wish in the words of different shoppers: rows that are nearly equal are learnt once. */
const ASKED = [
  "Do you wrap gifts?",
  "Could this be gift-wrapped for a friend?",
  "Is gift wrapping possible?",
  "I would like my order wrapped as a present. Can you do that?",
  "Can you wrap the scarf? It is a birthday present.",
  "Does it come in gift paper if I ask for it?",
  "Hi! It's for my mother: is there any wrapping for presents?",
  "What does gift wrap cost here?",
  "How do I get something wrapped as a gift?",
  "Wrapping for Christmas presents, do you offer it?",
];
/** Nobody asked it in these words. */
const ANEW = "Will you wrap it as a gift for me?";
const RECIPE = { "Passes over the data": 6, "Share for choosing": 0, "Share for the verdict": 0.2, "Learning rate": 0.001, "Rows in a step": 2 };

/** Asks as a new shopper in a new browser; the reply, and its conversation. */
async function asksAnew(browser, server) {
  const one = await shopper(browser, server);
  await one.say(ANEW);
  const reply = one.frame.locator(".line.reply:not(.welcome):not(.live)");
  await reply.waitFor({ timeout: 120_000 });
  const answer = (await lines(one.frame)).at(-1).replace(/^reply: /, "");
  const conv = await one.conv();
  assert.deepEqual(one.caught, []);
  await one.context.close();
  return { answer, conv };
}

/** What the team thinks should have been said, for shoppers who have gone. */
async function corrects(page, server) {
  for (const question of ASKED) {
    const visitor = await session(server);
    await speak(page, visitor, [question], "reply");
    const team = staff(page);
    await team.connect(visitor.conversation);
    const reply = async () => (await team.heard()).find((frame) => frame.kind === "reply");
    await until("the reply", async () => Boolean(await reply()));
    await team.send({ t: "correct", conv: visitor.conversation, seq: (await reply()).seq, text: TAUGHT });
    await until("the correction is kept", async () => (await team.heard()).some((frame) => frame.kind === "correction"));
  }
}

/** Who answers chats, on the page of versions; one that is still loaded has a place of its own beside it. */
const answering = (page) => page.locator(".stats > div", { has: page.getByText("Everybody gets", { exact: true }) }).locator("dd");

/** A reply's version as the agent sees it. */
const from = (page) => transcript(page).locator(".entry.reply:not(.live) .from").last();

test("asked, suggested, edited, rated, corrected, trained, promoted, answered as taught, rolled back", { skip: !model && "no model", timeout: 1_700_000 }, async () => {
  const server = await new Server({ model }).start();
  const browser = await launch();
  try {
    await until("the model is loaded", async () => (await fetch(`${server.url}/readyz`)).ok, 120_000);
    const mara = await colleague(browser, server, "mara", { display: "Mara Lindqvist", role: "admin" });
    const { page } = mara;

    const ada = await shopper(browser, server);
    await ada.say("Can I return shoes I have worn?");
    await ada.frame.locator(".line.reply:not(.welcome):not(.live)").waitFor({ timeout: 120_000 });
    await ada.frame.getByRole("button", { name: "Good answer" }).click();
    await visit(page, server, await ada.conv());
    await transcript(page).getByText("Can I return shoes I have worn?").waitFor();
    await transcript(page).locator(".entry.reply .tag.good").waitFor();
    await ada.say("And how long do I have to return them?");
    await until("the second reply", async () => (await ada.frame.locator(".line.reply:not(.welcome):not(.live)").count()) === 2, 120_000);
    await page.getByRole("button", { name: "Take over" }).click();
    await page.getByText("You answer; the assistant is silent").waitFor();
    await page.getByRole("button", { name: "Suggest" }).click();
    await page.getByText("As suggested").waitFor({ timeout: 120_000 });
    const draft = await composer(page).inputValue();
    console.log(`# suggested: ${draft}`);
    assert.match(draft, /60 days/);
    await composer(page).fill(`${draft} Shall I send you a label?`);
    await composer(page).press("Enter");
    await ada.sees("Shall I send you a label?");

    const before = await asksAnew(browser, server);
    console.log(`# before: ${before.answer}`);
    assert.doesNotMatch(before.answer, /linen/);
    await corrects(page, server);

    await page.goto(`${server.url}/dashboard/#/training/new`);
    await page.getByText("Advanced", { exact: true }).click();
    for (const [label, value] of Object.entries(RECIPE)) await page.getByLabel(label).fill(String(value));
    // The corrections alone: which rows are held out is chance, and among so few another kind of answer could be most of them.
    for (const kind of ["Replies of the team", "Liked replies"]) await page.getByLabel(kind).uncheck();
    const rows = page.getByRole("heading", { name: `${ASKED.length} rows to learn from` });
    await rows.waitFor();
    const report = await page.locator("details.fold", { hasText: "left out" }).textContent();
    console.log(`# ${await rows.textContent()}; ${report}`);
    assert.match(report, /Conversations chosen\d/, "the owner sees what became of the conversations");
    assert.match(report, /Left out\d+nothing in it to learn\d/, "and why some gave nothing");
    await page.getByRole("button", { name: "Start training" }).click();
    await page.getByRole("progressbar", { name: "Progress" }).waitFor({ timeout: 120_000 });
    await page.getByText(/published as shop@1/).waitFor({ timeout: 900_000 });
    assert.match(await page.locator("pre.log").first().textContent(), /"batch": 2,/);
    console.log(`# ${(await page.locator(".stats").allInnerTexts()).join(" ").replace(/\n/g, " ")}`);

    await page.goto(`${server.url}/dashboard/#/training/models`);
    await page.getByRole("row", { name: /shop@1/ }).getByRole("button", { name: "Promote" }).click();
    const sheet = page.getByRole("dialog", { name: "Promote shop@1" });
    await sheet.getByRole("button", { name: "Everybody" }).click();
    await sheet.getByRole("button", { name: "Promote" }).click();
    await until("it answers", async () => (await answering(page).textContent()) === "shop@1", 60_000);
    const after = await asksAnew(browser, server);
    console.log(`# after: ${after.answer}`);
    assert.match(after.answer, /linen/);
    await visit(page, server, after.conv);
    await from(page).waitFor();
    assert.match(await from(page).textContent(), /^shop@1 /);

    await page.goto(`${server.url}/dashboard/#/training/models`);
    await page.getByRole("button", { name: "Roll back" }).click();
    await until("the base answers", async () => (await answering(page).textContent()) === "Base model", 60_000);
    const back = await asksAnew(browser, server);
    console.log(`# rolled back: ${back.answer}`);
    assert.doesNotMatch(back.answer, /linen/);
    await visit(page, server, back.conv);
    assert.doesNotMatch(await from(page).textContent(), /shop@1/);
    assert.deepEqual([...ada.caught, ...mara.caught], []);
  } finally {
    await browser.close();
    await server.remove();
  }
});
