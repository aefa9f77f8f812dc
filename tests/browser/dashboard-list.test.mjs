// The list while others act: under every filter, with its sound and notifications, after ten minutes away; and the search.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, launch, Server } from "./harness.mjs";
import { colleague, composer, said, shopper, transcript, until, visit } from "./dashboard-kit.mjs";
import { importShop } from "./made-shop.mjs";

/** A conversation that is longer than what comes with it at first. */
const LONG = { name: "Zoë Fernsby", email: "zoe@fernsby.example", tags: ["wholesale"], texts: Array.from({ length: 900 }, (_, n) => (n === 7 ? "Where is the quokka print?" : n === 880 ? "And another quokka?" : `Question number ${n}?`)) };

let browser, server, mara, tom, long;
before(async () => {
  // The moods of nine hundred messages would be read meanwhile, one after the other.
  server = new Server({ env: { SHOPCLERK__TOOLS__WATCH_SENTIMENT: "false" } });
  long = importShop(server.data, { conversations: 12, days: 20, says: LONG }).at(-1).conv;
  await server.start();
  browser = await launch();
  mara = await colleague(browser, server, "mara", { display: "Mara Lindqvist", role: "admin" });
  tom = await colleague(browser, server, "tom", { display: "Tom Ashby" });
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

const calm = (...people) => people.forEach(({ caught }) => assert.deepEqual(caught, []));
const rows = (page) => page.locator(".list .item");
const rowOf = (page, conv) => page.locator(`.list .item[href*="${conv}"]`);
const open = async (page, hash) => {
  await page.goto(`${server.url}/dashboard/#/${hash}`);
  await page.locator(".list").waitFor();
};

/** Somebody who waits for a person. */
async function waits() {
  const one = await shopper(browser, server);
  await ask(one.frame, "Of course.");
  await one.frame.getByRole("button", { name: "Talk to a person" }).click();
  await one.sees("A person will answer you here.");
  return one;
}

/** Counts what would be heard and shown; the page believes that nobody looks. */
async function listen(page) {
  await page.addInitScript(() => {
    window.__chimes = 0;
    window.__notices = [];
    const param = { value: 0, setValueAtTime() {}, linearRampToValueAtTime() {}, exponentialRampToValueAtTime() {} };
    const node = { frequency: param, gain: param, connect: (to) => to, start() {}, stop() {} };
    window.AudioContext = class {
      state = "running";
      currentTime = 0;
      destination = {};
      // Two tones are one chime.
      createOscillator() {
        window.__chimes += 0.5;
        return { ...node };
      }
      createGain() {
        return { ...node };
      }
    };
    window.Notification = class {
      static permission = "granted";
      static requestPermission = async () => "granted";
      constructor(title, options) {
        window.__notices.push({ title, body: options.body, tag: options.tag });
      }
      close() {}
    };
    Object.defineProperty(document, "hidden", { get: () => true });
    localStorage.setItem("shopclerk.desk.sound", "true");
    localStorage.setItem("shopclerk.desk.notices", "true");
  });
}
const chimes = (page) => page.evaluate(() => window.__chimes);
const notices = (page) => page.evaluate(() => window.__notices);

test("every filter is live: opened by its address, over a reload, and after the server was gone", async () => {
  const { page } = tom;
  await open(page, "inbox/waiting?owner=queue");
  await page.reload();
  await until("nobody but the past waits", async () => (await page.locator(".spin").count()) === 0);
  const before = await rows(page).count();
  const first = await waits();
  await rowOf(page, await first.conv()).waitFor();
  assert.equal(await rows(page).count(), before + 1);
  await until("the tab counts it", async () => new RegExp(`^\\(${before + 1}\\) `).test(await page.title()));
  await page.goto(`${server.url}/dashboard/#/inbox/all?unread=true&mood=negative`);
  await rowOf(page, await first.conv()).waitFor({ state: "detached" });
  await until("it is asked for", async () => (await page.locator(".spin").count()) === 0);
  assert.equal(await rowOf(page, await first.conv()).count(), 0);
  await page.goto(`${server.url}/dashboard/#/inbox/all?unread=true`);
  await rowOf(page, await first.conv()).waitFor();
  await server.stop("SIGKILL");
  await page.getByText("Connection lost, trying again.").waitFor();
  await server.start();
  await page.getByText("Connection lost").waitFor({ state: "detached", timeout: 60_000 });
  const second = await waits();
  await rowOf(page, await second.conv()).waitFor();
  for (const one of [first, second]) {
    calm(one);
    await one.context.close();
  }
  // Whoever is mara now has lost her connection too.
  await mara.page.getByText("Connection lost").waitFor({ state: "detached", timeout: 60_000 });
});

test("a chime and a notification for who begins to wait, under a filter too, and none for what only moves", async () => {
  const old = await waits();
  const conv = await old.conv();
  const eve = await colleague(browser, server, "eve");
  const { page } = eve;
  await listen(page);
  await page.goto(`${server.url}/dashboard/#/inbox/resolved?rating=down`);
  await page.reload();
  await until("the list is there", async () => (await page.locator(".list").count()) === 1 && (await page.locator(".spin").count()) === 0);
  // A colleague looks at somebody who waits already, and makes a note: this list never had the row.
  await visit(tom.page, server, conv, "waiting");
  await tom.page.keyboard.press("n");
  await tom.page.getByRole("textbox", { name: "Your private note" }).fill("I look into it");
  await tom.page.getByRole("textbox", { name: "Your private note" }).press("Enter");
  await transcript(tom.page).getByText("I look into it").waitFor();
  await old.say("Hello?");
  await transcript(tom.page).getByText("Hello?").waitFor();
  const fresh = await waits();
  await until("it is told of", async () => (await notices(page)).length > 0);
  assert.equal(await chimes(page), 1);
  const told = await notices(page);
  assert.deepEqual(told.map((one) => one.tag), [await fresh.conv()]);
  assert.match(told[0].title, /waits for a person/);
  // Taken by me, and the shopper writes on: that is mine to know.
  await page.goto(`${server.url}/dashboard/#/inbox/waiting/${await fresh.conv()}`);
  await page.getByRole("button", { name: "Take over" }).click();
  await page.getByText("You answer; the assistant is silent").waitFor();
  await page.goto(`${server.url}/dashboard/#/settings/account`);
  await fresh.say("Are you there?");
  await until("the message is told of", async () => (await notices(page)).length === 2);
  assert.equal((await notices(page))[1].body, "Are you there?");
  assert.equal(await chimes(page), 2);
  for (const one of [old, fresh, eve]) {
    calm(one);
    await one.context.close();
  }
});

test("ten minutes away: a new shopper and a take-over meanwhile are there without a reload", async () => {
  const bo = await shopper(browser, server);
  await ask(bo.frame, "First.");
  const conv = await bo.conv();
  const nora = await colleague(browser, server, "nora", { display: "Nora Vale" });
  const { page } = nora;
  await page.clock.install();
  await page.goto(`${server.url}/dashboard/#/inbox/all/${conv}`);
  await page.reload();
  await transcript(page).getByText("First.", { exact: true }).last().waitFor();
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket));
  await page.evaluate(() => (window.__same = true));
  await nora.context.setOffline(true);
  await page.clock.fastForward(60_000);
  await page.getByText("Connection lost, trying again.").waitFor();
  // The rest of ten minutes, in steps: every try to come back fails.
  for (let minute = 1; minute < 10; minute += 1) await page.clock.fastForward(60_000);
  await visit(tom.page, server, conv);
  await tom.page.keyboard.press("t");
  await tom.page.getByText("You answer; the assistant is silent").waitFor();
  await composer(tom.page).fill("Tom here.");
  await composer(tom.page).press("Enter");
  await bo.sees("Tom here.");
  await bo.say("Thank you, Tom.");
  const cy = await shopper(browser, server);
  await ask(cy.frame, "Second.");
  assert.equal(await rowOf(page, await cy.conv()).count(), 0);
  await nora.context.setOffline(false);
  await page.clock.fastForward(31_000);
  await page.getByText("Connection lost").waitFor({ state: "detached" });
  await transcript(page).getByText("Thank you, Tom.").waitFor();
  await page.locator(".talk-who").getByText("Tom Ashby answers").waitFor();
  // The summary comes when the model has a moment for it.
  const spoken = (await said(page)).filter((line) => !line.startsWith("summary"));
  assert.deepEqual(spoken.slice(-3), ["reply: First.", "staff: Tom here.", "shopper: Thank you, Tom."]);
  await rowOf(page, await cy.conv()).waitFor();
  await until("the newest is first, and everything is there once", async () => {
    const links = await rows(page).evaluateAll((items) => items.map((item) => item.getAttribute("href")));
    const [newer, older] = [await cy.conv(), conv].map((id) => links.findIndex((link) => link.includes(id)));
    return newer >= 0 && newer < older && new Set(links).size === links.length;
  });
  assert.equal(await page.evaluate(() => window.__same), true, "the page was not loaded again");
  assert.ok(sockets.length > 0);
  for (const one of [bo, cy, nora]) {
    calm(one);
    await one.context.close();
  }
});

test("search: finds in context, with j and k through them, back to the oldest; people by name and tag", async () => {
  const { page } = mara;
  await open(page, "inbox/all");
  const box = page.getByRole("searchbox");
  await until("it is in the index", async () => {
    await page.reload();
    await box.fill("quokk");
    await page.locator(".found").waitFor();
    return (await page.locator(".found").textContent()).startsWith("2 finds");
  });
  const hits = page.locator(".hit");
  assert.deepEqual(await hits.locator(".hit-text").allTextContents(), ["And another quokka?", "Where is the quokka print?"]);
  assert.deepEqual(await hits.locator("mark").allTextContents(), ["quokka", "quokka"]);
  await box.blur();
  const inSight = (text) => transcript(page).getByText(text).evaluate((entry) => {
    const [box, frame] = [entry.getBoundingClientRect(), entry.closest(".transcript").getBoundingClientRect()];
    return box.top >= frame.top && box.bottom <= frame.bottom;
  });
  await page.keyboard.press("j");
  await until("the newest find is in sight", async () => (await transcript(page).getByText("And another quokka?").count()) === 1 && (await inSight("And another quokka?")));
  assert.equal(await hits.first().getAttribute("aria-current"), "true");
  // It is the eighth message of nine hundred: older than what came with the conversation.
  assert.equal(await transcript(page).getByText("Where is the quokka print?").count(), 0);
  await page.keyboard.press("j");
  await until("the oldest find is in sight", async () => (await transcript(page).getByText("Where is the quokka print?").count()) === 1 && (await inSight("Where is the quokka print?")));
  assert.equal(await hits.last().getAttribute("aria-current"), "true");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  await until("back at the newest", async () => (await hits.first().getAttribute("aria-current")) === "true" && (await inSight("And another quokka?")));
  await page.keyboard.press("Escape");
  await page.getByText("Pick a conversation").waitFor();
  assert.match(page.url(), /search\?q=quokk$/);
  await page.getByRole("button", { name: "Team", exact: true }).click();
  await page.getByText("Nothing was found").waitFor();
  for (const typed of ["zoe fern", "zoe@fernsby", "wholesale"]) {
    await page.getByRole("button", { name: "All", exact: true }).click();
    const answered = page.waitForResponse((reply) => new URL(reply.url()).searchParams.get("q") === typed);
    await box.fill(typed);
    await answered;
    const people = page.getByRole("region", { name: "By name, e-mail or tag" });
    await until(`${typed} is found`, async () => (await people.locator(".item-name").allTextContents()).join() === "Zoë Fernsby");
  }
  await box.blur();
  await page.keyboard.press("j");
  await page.getByRole("heading", { name: "Zoë Fernsby" }).waitFor();
  assert.match(page.url(), new RegExp(`search/${long}\\?q=wholesale$`));
  calm(mara, tom);
});
