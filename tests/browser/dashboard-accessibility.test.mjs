// axe on every page of the dashboard: light, dark, and on a phone; and the phone's stack of list, conversation, details.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, profile, Server } from "./harness.mjs";
import { colleague, composer, faults, invite, said, session, speak, transcript, until, visit } from "./dashboard-kit.mjs";

let browser, server, one;
before(async () => {
  server = await new Server().start();
  browser = await launch();
  one = await session(server);
  const { context } = await profile(browser, [new URL(server.url).host]);
  const page = await context.newPage();
  await page.goto(`${server.url}/demo/`);
  await speak(page, one, ["[[raw]]**Bold**, `code`, a [link](https://brackenfold.example/a) and\n\n1. one\n2. two", "[[raw]]Second answer."], "reply");
  await context.close();
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 } },
  "dark phone": { colorScheme: "dark", viewport: { width: 390, height: 844 } },
  chinese: { colorScheme: "light", locale: "zh-CN" },
};

for (const [name, look] of Object.entries(LOOKS)) {
  test(`${name}: before the login`, async () => {
    const { context, caught } = await profile(browser, [new URL(server.url).host], { reducedMotion: "reduce", ...look });
    const page = await context.newPage();
    await page.goto(`${server.url}/dashboard/`);
    await page.locator("form").waitFor();
    assert.deepEqual(await faults(page), [], "login");
    await page.goto(`${server.url}/dashboard/#invite=${encodeURIComponent(invite(server, `guest-${name.replace(" ", "-")}`))}`);
    await page.locator("input[autocomplete=new-password]").first().waitFor();
    assert.deepEqual(await faults(page), [], "invitation");
    await page.goto(`${server.url}/dashboard/#invite=nonsense`);
    await page.locator("form").waitFor({ state: "detached" });
    await page.locator("[role=alert]").waitFor();
    assert.deepEqual(await faults(page), [], "a dead link");
    assert.deepEqual(caught, []);
    await context.close();
  });

  test(`${name}: every page`, async () => {
    const { locale: _, ...plain } = look;
    const mara = await colleague(browser, server, `mara-${name.replace(" ", "-")}`, { role: "admin", reducedMotion: "reduce", ...plain });
    const { page } = mara;
    if (name === "chinese") {
      await page.getByRole("button", { name: "You", exact: true }).click();
      await page.getByRole("button", { name: "中文" }).click();
      await page.getByRole("navigation", { name: "页面" }).waitFor();
    }
    const pages = ["inbox/waiting", "inbox/all", "search?q=second", "numbers", "training", "training/new", "training/models", "training/compare", "settings/account", "settings/canned", "settings/widget", "settings/shop", "settings/desk", "settings/agents", "settings/keys", "settings/privacy", "settings/webhooks", "settings/backup", "settings/audit"];
    const { paths } = await (await fetch(`${server.url}/openapi.json`)).json();
    const needs = { numbers: "/v1/staff/numbers", search: "/v1/staff/search", training: "/v1/staff/runs" };
    for (const path of pages.filter((one) => !(needs[one.split(/[/?]/)[0]] && !paths[needs[one.split(/[/?]/)[0]]]))) {
      await page.goto(`${server.url}/dashboard/#/${path}`);
      await page.locator("main h1").first().waitFor({ state: "attached" });
      await until(`${path} is ready`, async () => (await page.locator(".spin").count()) === 0);
      assert.deepEqual(await faults(page), [], path);
    }
    await visit(page, server, one.conversation);
    await until("it is there", async () => (await said(page)).includes("reply: Second answer."));
    assert.deepEqual(await faults(page), [], "a conversation");
    await page.keyboard.press("n");
    await composer(page).fill("A note");
    assert.deepEqual(await faults(page), [], "writing a note");
    await composer(page).press("Escape");
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await faults(page), [], "help");
    assert.deepEqual(mara.caught, []);
    await mara.context.close();
  });
}

test("on a phone: list, conversation and details are a stack, and nothing is wider than the screen", async () => {
  const { page, context } = await colleague(browser, server, "phone", LOOKS.phone);
  const fits = async (what) => assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, what);
  await page.goto(`${server.url}/dashboard/#/inbox/all`);
  await page.locator(".item").first().click();
  await transcript(page).waitFor();
  assert.equal(await page.locator(".list").isVisible(), false);
  await fits("conversation");
  await page.getByRole("button", { name: "Details" }).click();
  await page.getByRole("complementary", { name: "Details" }).waitFor();
  assert.equal(await transcript(page).isVisible(), false);
  await fits("details");
  await page.getByRole("complementary").getByRole("button", { name: "Close" }).click();
  await page.getByRole("link", { name: "Back to the list" }).click();
  await page.locator(".item").first().waitFor();
  await fits("list");
  await context.close();
});
