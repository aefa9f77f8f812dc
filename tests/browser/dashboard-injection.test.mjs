// The corpus of hostile texts through every field that the dashboard shows: nothing runs, nothing leaves.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, Server } from "./harness.mjs";
import { colleague, composer, note, said, SECRET, session, speak, transcript, until, visit } from "./dashboard-kit.mjs";
import { PAYLOADS } from "./payloads.mjs";

let browser, server, mara;
before(async () => {
  server = await new Server({ env: { SHOPCLERK__WEB__IDENTITY_SECRETS: `["${SECRET}"]` } }).start();
  browser = await launch();
  mara = await colleague(browser, server, "mara", { role: "admin" });
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

/** Elements that a message must not become. */
const strangers = (page) => page.locator("#app :is(script, style, iframe, object, embed, form form, svg svg, img, video, audio, link, meta, base)").count();
const clean = async (what) => {
  assert.deepEqual(mara.caught, [], what);
  assert.equal(await strangers(mara.page), 0, what);
};

test("as a shopper's messages, in the list and in the transcript", async () => {
  const { page } = mara;
  await page.goto(`${server.url}/dashboard/#/inbox/all`);
  const one = await session(server);
  const texts = PAYLOADS.map(({ text }) => text);
  await speak(page, one, texts.map((text) => `[[raw]]${text}`));
  await visit(page, server, one.conversation);
  const shoppers = async () => (await said(page)).filter((line) => line.startsWith("shopper: "));
  await until("the newest are there", async () => (await shoppers()).at(-1) === `shopper: [[raw]]${texts.at(-1)}`, 60_000);
  while (await page.getByRole("button", { name: "Show earlier messages" }).isVisible()) {
    const before = (await shoppers()).length;
    await page.getByRole("button", { name: "Show earlier messages" }).click();
    await until("more are there", async () => (await shoppers()).length > before || !(await page.getByRole("button", { name: "Show earlier messages" }).isVisible()));
  }
  assert.deepEqual(await shoppers(), texts.map((text) => `shopper: [[raw]]${text}`));
  // A shopper's own words carry no mark at all.
  assert.equal(await transcript(page).locator(".entry.shopper .bubble :not(p)").count(), 0);
  await clean("messages");
});

test("as the shopper's name and e-mail address", async () => {
  const { page } = mara;
  await page.goto(`${server.url}/dashboard/#/inbox/all`);
  let n = 0;
  for (const { name, text } of PAYLOADS.filter((_, at) => at % 10 === 0)) {
    const one = await session(server, { sub: `customer-${n++}`, name: text.slice(0, 100), email: `a@b.example${n}` });
    await speak(page, one, ["[[raw]]hello"]);
    await page.locator(`.item[href*="${one.conversation}"]`).click();
    await until(`${name}: opened`, async () => (await said(page)).some((line) => line === "shopper: [[raw]]hello"));
    await clean(name);
  }
});

test("as a note, a tag, a reply, a correction, a canned reply, a search, an address", async () => {
  const { page } = mara;
  const one = await session(server);
  await page.goto(`${server.url}/dashboard/#/inbox/all`);
  await speak(page, one, ["[[raw]]The answer."]);
  await visit(page, server, one.conversation);
  await transcript(page).getByText("The answer.", { exact: true }).last().waitFor();
  for (const { name, text } of PAYLOADS.filter((_, at) => at % 10 === 4)) {
    await page.getByRole("button", { name: "Private note", exact: true }).click();
    await note(page).fill(text);
    await note(page).press("Enter");
    await until(`${name}: noted`, async () => (await composer(page).inputValue()) === "");
    await page.getByRole("button", { name: "Reply", exact: true }).click();
    await composer(page).fill(text);
    await composer(page).press("Escape");
    await composer(page).press("Enter");
    await until(`${name}: sent`, async () => (await composer(page).inputValue()) === "");
    await page.getByPlaceholder("Add a tag").fill(text.slice(0, 40));
    await page.getByPlaceholder("Add a tag").press("Enter");
    await page.goto(`${server.url}/dashboard/#/search/${encodeURIComponent(text)}?q=${encodeURIComponent(text)}&by=${encodeURIComponent(text)}`);
    await page.getByRole("searchbox").waitFor();
    await page.goto(`${server.url}/dashboard/#/settings/${encodeURIComponent(text)}`);
    await page.getByRole("heading", { name: "Settings" }).waitFor();
    await clean(name);
    await visit(page, server, one.conversation);
  }
  await page.getByRole("button", { name: "Correct", exact: true }).first().click();
  await page.getByRole("textbox", { name: "It should have said" }).fill(PAYLOADS.slice(0, 20).map(({ text }) => text).join("\n\n").slice(0, 3_900));
  await page.getByRole("button", { name: "Save the correction" }).click();
  await transcript(page).getByText("Corrected by mara").waitFor();
  await clean("correction");
});
