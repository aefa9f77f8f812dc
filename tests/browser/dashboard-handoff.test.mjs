// From the assistant to a person: the rules set in the dashboard, what the shopper is told, an address out of hours, reopening.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, launch, Server } from "./harness.mjs";
import { colleague, faults, shopper, transcript, until, visit } from "./dashboard-kit.mjs";

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

async function settings() {
  await mara.page.goto(`${server.url}/dashboard/#/settings/desk`);
  await mara.page.getByRole("group", { name: "What brings a person" }).waitFor();
}

async function save() {
  await mara.page.getByRole("button", { name: "Save" }).click();
  await mara.page.getByText("Saved").first().waitFor();
}

test("an admin lists a word; a shopper who says it gets a person and is told so, and staff see why", async () => {
  const { page } = mara;
  await settings();
  await page.getByLabel("Words that bring a person at once").fill("refund");
  await page.getByLabel("Words that bring a person at once").press("Enter");
  await page.getByLabel("The same question again", { exact: false }).first().uncheck();
  assert.deepEqual(await faults(page), []);
  await save();
  await page.reload();
  await settings();
  assert.equal(await page.getByLabel("The same question again", { exact: false }).first().isChecked(), false);
  await page.getByRole("button", { name: "Remove refund" }).waitFor();

  const ada = await shopper(browser, server);
  await ask(ada.frame, "Hello.");
  await ada.say("I want my REFUND now");
  await ada.sees("A person will take over here");
  assert.equal(await ada.frame.getByText("You asked for a person").count(), 0);
  await ada.sees("A person will answer you here.");
  assert.equal(await ada.frame.getByLabel("Your e-mail").isVisible(), false, "somebody is there");
  await visit(page, server, await ada.conv(), "waiting");
  await transcript(page).getByText("A person is wanted: a word on your list").waitFor();
  await page.locator(".talk-head").getByText("a word on your list").waitFor();
  // Back at the assistant, the old word brings nobody.
  await ada.frame.getByRole("button", { name: "Continue with the assistant" }).click();
  await ada.sees("The assistant answers again");
  await ask(ada.frame, "All good.");
  assert.equal(await ada.frame.locator(".note", { hasText: "A person will take over here" }).count(), 1);
  assert.deepEqual([...ada.caught, ...mara.caught], []);
  await ada.context.close();
});

test("when nobody is there the shopper leaves an address, and staff see it beside the conversation", async () => {
  const { page } = mara;
  await settings();
  await page.getByLabel("Only at certain hours", { exact: false }).check();
  // Nobody on any day.
  const days = page.locator(".week-day input[type=checkbox]:checked");
  while (await days.count()) await days.first().uncheck();
  await page.getByLabel("When people are there").fill("never on weekdays");
  assert.deepEqual(await faults(page), []);
  await save();

  const bo = await shopper(browser, server);
  await ask(bo.frame, "Hello.");
  await bo.frame.getByRole("button", { name: "Talk to a person" }).click();
  await bo.sees("Nobody is here right now.");
  await bo.sees("We are here never on weekdays.");
  const mail = bo.frame.getByLabel("Your e-mail");
  await mail.fill("not an address");
  await mail.press("Enter");
  assert.equal(await mail.isVisible(), true, "the browser refuses it");
  await mail.fill("<b>@example.com");
  await mail.press("Enter");
  assert.equal(await mail.isVisible(), true);
  await mail.fill("bo@example.com");
  await mail.press("Enter");
  await bo.sees("We will write to bo@example.com.");
  assert.equal(await mail.isVisible(), false);
  await visit(page, server, await bo.conv(), "waiting");
  await page.getByRole("complementary", { name: "Details" }).getByRole("link", { name: "bo@example.com" }).waitFor();
  await transcript(page).getByText("nobody was there").waitFor();
  // Still known after a reload, on both sides.
  await bo.page.reload();
  await bo.sees("We will write to bo@example.com.");
  await page.reload();
  await page.getByRole("complementary", { name: "Details" }).getByRole("link", { name: "bo@example.com" }).waitFor();
  assert.deepEqual([...bo.caught, ...mara.caught], []);
  await bo.context.close();
});

test("a resolved conversation is opened again, by button and by key", async () => {
  const cy = await shopper(browser, server);
  await ask(cy.frame, "Hello.");
  const { page } = mara;
  await visit(page, server, await cy.conv());
  await page.getByRole("button", { name: "Resolve", exact: true }).click();
  await cy.sees("This conversation is closed");
  await page.getByText("Resolved. A new message opens it again.").waitFor();
  await page.locator(".talk-acts").getByRole("button", { name: "Open again" }).click();
  await transcript(page).getByText("Opened again").waitFor();
  await page.getByText("The assistant answers", { exact: true }).waitFor();
  await page.keyboard.press("e");
  await until("resolved", async () => (await page.locator(".talk-acts").getByRole("button", { name: "Open again" }).count()) === 1);
  await page.keyboard.press("o");
  await page.locator(".talk-acts").getByRole("button", { name: "Resolve", exact: true }).waitFor();
  await ask(cy.frame, "And on we go.");
  assert.deepEqual([...cy.caught, ...mara.caught], []);
  await cy.context.close();
});
