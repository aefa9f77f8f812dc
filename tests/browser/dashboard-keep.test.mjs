// What the shop forgets and keeps: a shopper is exported and erased, webhooks reach a program, the widget's look, backups.
//
// SHOTS names a folder for pictures of the pages.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ask, launch, Server } from "./harness.mjs";
import { colleague, faults, SECRET, session, shopper, speak, transcript, until, visit } from "./dashboard-kit.mjs";

let browser, server, mara;
before(async () => {
  const env = { SHOPCLERK__WEBHOOKS__ALLOW_PRIVATE: "true", SHOPCLERK__WEBHOOKS__FIRST_RETRY_MS: "100", SHOPCLERK__WEBHOOKS__TRIES: "2", SHOPCLERK__WEB__IDENTITY_SECRETS: `["${SECRET}"]` };
  server = await new Server({ env }).start();
  browser = await launch();
  mara = await colleague(browser, server, "mara", { display: "Mara Lindqvist", role: "admin" });
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

const settings = async (page, section) => {
  await page.goto(`${server.url}/dashboard/#/settings/${section}`);
  await page.locator("main h1").first().waitFor({ state: "attached" });
  await until(`${section} is ready`, async () => (await page.locator(".spin").count()) === 0);
};

const shot = async (page, name) => {
  if (!process.env.SHOTS) return;
  mkdirSync(process.env.SHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), fullPage: false });
};

/** What a page downloads when `act` is done. */
async function downloaded(page, act) {
  const [file] = await Promise.all([page.waitForEvent("download"), act()]);
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
}

test("a shopper's data is given out, then erased everywhere, while an agent looks and the shopper chats", async () => {
  const ada = await shopper(browser, server);
  await ask(ada.frame, "I am a xylophonist, they say.");
  const conv = await ada.conv();
  const { page } = mara;
  await visit(page, server, conv);
  await page.getByRole("button", { name: "Details" }).first().waitFor({ state: "attached" });
  const exported = await downloaded(page, () => page.getByRole("button", { name: "Export their data" }).click());
  assert.match(exported.name, /^shopper-[0-9a-f-]{36}\.json$/);
  const data = JSON.parse(exported.bytes);
  assert.equal(data.conversations[0].conv, conv);
  assert.ok(data.conversations[0].events.some((event) => event.text?.includes("xylophonist")));
  await page.getByRole("button", { name: "Erase the shopper" }).click();
  const dialog = page.getByRole("dialog");
  const act = dialog.getByRole("button", { name: "Erase the shopper" });
  assert.equal(await act.isDisabled(), true, "not by one click");
  await shot(page, "erase");
  assert.deepEqual(await faults(page), [], "the dialog");
  await dialog.getByLabel("Type erase to go on").fill("erase");
  await act.click();
  await dialog.getByText("1 conversation · 0 training rows").waitFor();
  await shot(page, "erased");
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await transcript(page).getByText("xylophonist").waitFor({ state: "detached" });
  await page.goto(`${server.url}/dashboard/#/inbox/all`);
  await until("the list is empty", async () => (await page.locator(`a[href*="${conv}"]`).count()) === 0);
  // The shopper goes on, in a conversation of their own.
  await until("there is another conversation", async () => (await ada.conv()) !== conv);
  await ada.say("[[raw]]Welcome back.");
  await ada.sees("Welcome back.");
  await until("the old words are gone", async () => (await ada.frame.getByText("xylophonist").count()) === 0);
  await settings(page, "audit");
  await page.getByRole("cell", { name: "Erased a shopper" }).waitFor();
  assert.deepEqual([...ada.caught, ...mara.caught], []);
  await ada.context.close();
});

test("found by e-mail address, and retention is set by itself", async () => {
  const { page } = mara;
  const bo = await session(server, { sub: "C-7", name: "Bo Lund", email: "bo@example.com" });
  await page.goto(`${server.url}/dashboard/#/inbox/all`);
  await speak(page, bo, ["Hello"], "ack");
  await settings(page, "privacy");
  await page.getByLabel("E-mail address, customer number or id").fill("BO@example.com");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByText("Bo Lund").waitFor();
  await shot(page, "privacy");
  assert.deepEqual(await faults(page), []);
  await page.getByRole("radio", { name: "Erase after" }).check();
  await page.getByText("What is older than that is erased at once").waitFor();
  await page.getByRole("spinbutton", { name: "Erase after" }).fill("90");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved").waitFor();
  await page.reload();
  await until("it is kept", async () => (await page.getByRole("spinbutton", { name: "Erase after" }).inputValue()) === "90");
  assert.deepEqual(mara.caught, []);
});

test("the look is seen while it is made, kept, and what shoppers get", async () => {
  const { page } = mara;
  await settings(page, "widget");
  const preview = page.locator(".preview-widget");
  await page.getByLabel("The assistant's name").fill("Robin");
  await page.getByLabel("Greeting").fill("Good day! <b>What</b> may it be?");
  await page.getByLabel("First questions").fill("Where is my order?\nDo you gift-wrap?");
  await page.getByLabel("Colour").fill("#7a2f8a");
  await preview.getByText("Good day! <b>What</b> may it be?").waitFor();
  await preview.getByText("Do you gift-wrap?").waitFor();
  await preview.getByText("Robin", { exact: true }).waitFor();
  assert.equal(await preview.locator(".face").evaluate((face) => getComputedStyle(face).backgroundColor), "rgb(122, 47, 138)");
  await page.getByText("Not saved yet").waitFor();
  await shot(page, "look");
  assert.deepEqual(await faults(page), []);
  await page.getByRole("button", { name: "Save" }).first().click();
  await page.getByText("Not saved yet").waitFor({ state: "detached" });
  const cy = await shopper(browser, server);
  await cy.frame.getByText("Good day! <b>What</b> may it be?").waitFor();
  await cy.frame.getByRole("button", { name: "Do you gift-wrap?" }).waitFor();
  await cy.frame.getByText("Robin").first().waitFor();
  // Which pages may open a chat.
  const begin = (origin) => fetch(`${server.url}/v1/shopper/session`, { method: "POST", headers: { Origin: origin } }).then((reply) => reply.status);
  assert.equal(await begin("https://shop.example.com"), 403);
  await page.getByLabel("Origins").fill("https://shop.example.com/\nnonsense");
  await page.getByRole("button", { name: "Save" }).last().click();
  await page.getByText(/nonsense.*is not the origin/).waitFor();
  await page.getByLabel("Origins").fill("https://shop.example.com/");
  await page.getByRole("button", { name: "Save" }).last().click();
  await until("it may", async () => (await begin("https://shop.example.com")) === 200);
  assert.deepEqual([...cy.caught, ...mara.caught], []);
  await cy.context.close();
});

test("a webhook is added, tested, signed, given up and tried again", async () => {
  const got = [];
  let status = 200;
  const receiver = createServer((request, reply) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      got.push({ headers: request.headers, body: Buffer.concat(pieces) });
      reply.writeHead(status).end();
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => receiver.once("listening", resolve));
  const address = `http://127.0.0.1:${receiver.address().port}/hook`;
  try {
    const { page } = mara;
    await settings(page, "webhooks");
    await page.getByRole("button", { name: "New webhook" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Address").fill("https://user:password@example.com/");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByRole("alert").waitFor();
    await dialog.getByLabel("Address").fill(address);
    await dialog.getByRole("checkbox", { name: /A shopper wrote a message/ }).check();
    await shot(page, "webhook-new");
    assert.deepEqual(await faults(page), [], "the dialog");
    await dialog.getByRole("button", { name: "Save" }).click();
    const secret = await page.locator(".secret code").textContent();
    assert.match(secret, /^whsec_[0-9a-f]{64}$/);
    await page.getByRole("button", { name: "Send a test" }).click();
    await page.getByText(/Delivered: status 200/).waitFor();
    // As docs/webhooks.md tells a receiver.
    const isOurs = ({ headers, body }) => {
      const { t, v1 } = Object.fromEntries(headers["shopclerk-signature"].split(",").map((part) => part.split("=", 2)));
      const expected = createHmac("sha256", secret).update(`${t}.`).update(body).digest();
      return Math.abs(Date.now() / 1000 - Number(t)) < 300 && timingSafeEqual(expected, Buffer.from(v1, "hex"));
    };
    assert.ok(isOurs(got[0]) && JSON.parse(got[0].body).event === "ping");
    const di = await session(server);
    await speak(page, di, ["Do you ship?"], "ack");
    await until("it is told", async () => got.length >= 2);
    assert.ok(isOurs(got[1]));
    assert.equal(JSON.parse(got[1].body).data.text, "Do you ship?");
    status = 503;
    await speak(page, di, ["And to Norway?"], "ack");
    await until("it is given up", async () => got.length >= 4);
    await page.getByText("1 given up").click();
    await page.getByText("2 tries · it answered: status 503").waitFor();
    await shot(page, "webhooks");
    assert.deepEqual(await faults(page), [], "the page");
    status = 200;
    await page.getByRole("button", { name: "Try all again" }).click();
    await until("it is told at last", async () => got.length >= 5 && JSON.parse(got.at(-1).body).data.text === "And to Norway?");
    assert.ok(!server.log.includes("Norway") && !server.log.includes(secret), "neither bodies nor secrets are logged");
    assert.deepEqual(mara.caught, []);
  } finally {
    receiver.close();
  }
});

test("a backup is one file, and a server of its own goes on with it", async () => {
  const { page } = mara;
  await settings(page, "backup");
  await shot(page, "backup");
  assert.deepEqual(await faults(page), []);
  const { name, bytes } = await downloaded(page, () => page.getByRole("button", { name: "Download a backup" }).click());
  assert.match(name, /^shopclerk-\d{4}-\d\d-\d\d-\d{2}-?\d\d\.tar$/);
  await page.getByText("The backup is complete and was checked.").waitFor();
  assert.ok(bytes.length > 10_240);
  // The command line asks the same server.
  const file = join(server.data, "backup.tar");
  const told = execFileSync(server.child.spawnfile, ["--data", server.data, "data", "backup", file], { encoding: "utf8" });
  assert.match(told, /conversations, \d+ events and \d+ files written to/);
  const own = new Server();
  rmSync(own.data, { recursive: true });
  try {
    assert.match(execFileSync(server.child.spawnfile, ["--data", own.data, "data", "restore", file], { encoding: "utf8" }), /restored to .* and verified/);
    await own.start();
    const reply = await fetch(`${own.url}/v1/shopper/look?lang=en`);
    assert.equal((await reply.json()).assistant, "Robin", "the look is restored as well");
  } finally {
    await own.remove();
  }
});

test("on a phone, in the dark and in Chinese, every page is usable", async () => {
  const { context, page, caught } = await colleague(browser, server, "phone", { role: "admin", viewport: { width: 390, height: 844 }, reducedMotion: "reduce" });
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const section of ["privacy", "widget", "webhooks", "backup"]) {
      await settings(page, section);
      await shot(page, `phone-${scheme}-${section}`);
      assert.deepEqual(await faults(page), [], `${scheme} ${section}`);
      const wide = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${section} is ${wide} pixels too wide`);
    }
  }
  await page.getByRole("button", { name: "You", exact: true }).click();
  await page.getByRole("button", { name: "中文" }).click();
  await page.getByRole("navigation", { name: "页面" }).waitFor();
  for (const section of ["privacy", "widget", "webhooks", "backup"]) {
    await settings(page, section);
    assert.deepEqual(await faults(page), [], `Chinese ${section}`);
    assert.ok(!/[a-z]+\.[a-z_]+\b/.test(await page.locator("main h2").first().textContent()), "a word without a translation");
  }
  await shot(page, "phone-chinese-backup");
  assert.deepEqual(caught, []);
  await context.close();
});
