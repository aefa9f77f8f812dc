// The numbers page over a shop with a past: figures, charts, files; and that it can be read by everybody.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { API_KEY, launch, profile, Server } from "./harness.mjs";
import { colleague, faults, session, speak, until } from "./dashboard-kit.mjs";
import { importShop } from "./made-shop.mjs";

const NASTY = '=HYPERLINK("http://evil.example") <img src=x onerror="__ran=1">?';

let browser, server, asked;
before(async () => {
  server = new Server();
  importShop(server.data, { conversations: 300, days: 40 });
  await server.start();
  browser = await launch();
  asked = await session(server);
  const { context } = await profile(browser, [new URL(server.url).host]);
  const page = await context.newPage();
  await page.goto(`${server.url}/demo/`);
  await speak(page, asked, [NASTY], "reply");
  // The answer is no help: the shopper wants a person.
  await page.evaluate(
    ([conv, token]) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1/ws`, ["shopclerk.v1", `token.${token}`]);
        socket.onopen = () => socket.send(JSON.stringify({ t: "hello", resume: [] }));
        socket.onmessage = (message) => {
          const frame = JSON.parse(message.data);
          if (frame.t === "welcome") socket.send(JSON.stringify({ t: "person", conv }));
          else if (frame.kind === "owner") resolve(socket.close());
          else if (frame.t === "error") reject(new Error(frame.code));
        };
      }),
    [asked.conversation, asked.token],
  );
  await context.close();
  // The last thing that is counted: read in the background, once the engine has nothing else to do.
  await until("the shopper's mood is read", async () => (await events(asked.conversation)).some(({ kind, name }) => kind === "tool" && name === "sentiment"));
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
  chinese: { colorScheme: "light" },
};

async function get(path) {
  const reply = await fetch(`${server.url}/v1/staff/${path}`, { headers: { Authorization: `Bearer ${API_KEY}` } });
  assert.equal(reply.status, 200);
  return reply.json();
}

function numbers(days) {
  const day = (back) => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);
  return get(`numbers?from=${day(days - 1)}&to=${day(0)}&offset=0`);
}

const events = async (conv) => (await get(`conversations/${conv}/events`)).events;

/** Opens the page and waits for the figures. */
async function open(page) {
  await page.goto(`${server.url}/dashboard/#/numbers`);
  await page.locator(".tiles").waitFor();
  await page.locator(".plot canvas").first().waitFor();
}

/** True if something is drawn on every canvas. */
const drawn = (page) =>
  page.locator(".plot canvas").evaluateAll((all) =>
    all.length > 0 && all.every((one) => new Uint32Array(one.getContext("2d").getImageData(0, 0, one.width, one.height).data.buffer).some((pixel) => pixel)),
  );

test("the page shows what the server counted, and gives it as files", async () => {
  const { page, context, caught } = await colleague(browser, server, "mara", { timezoneId: "UTC" });
  await page.getByRole("link", { name: "Numbers" }).click();
  await page.locator(".tiles").waitFor();
  const { total, unanswered, days, models } = await numbers(30);
  const tile = async (name) => (await page.locator(".tile", { has: page.getByText(name, { exact: true }) }).locator(".value").textContent()) ?? "";
  assert.equal(await tile("Conversations"), String(total.conversations));
  assert.equal(await tile("Hand-offs"), String(total.handoffs));
  const solved = Math.round((100 * total.resolved_by_model) / (total.resolved_by_model + total.resolved_by_staff));
  assert.equal(await tile("Solved by assistant"), `${solved}%`);
  assert.equal(days.length, 30);
  assert.ok(total.mood.negative > 0 && total.first_ms.p95 > total.first_ms.p50);
  await until("every chart is drawn", () => drawn(page));
  // The same numbers for those who cannot see a chart.
  const mood = page.locator(".card", { has: page.getByRole("heading", { name: "Mood of messages" }) });
  await mood.getByText("As a table").click();
  assert.equal(await mood.locator("tbody tr").count(), 30);
  const sums = await mood.locator("tbody").evaluate((body) => [1, 2, 3].map((n) => [...body.rows].reduce((sum, row) => sum + Number(row.cells[n].textContent), 0)));
  assert.deepEqual(sums, [total.mood.positive, total.mood.neutral, total.mood.negative]);
  const versions = page.locator(".card", { has: page.getByRole("heading", { name: "Versions" }) });
  assert.equal(await versions.locator("tbody tr").count(), models.length);
  // What a stranger wrote is text, on the page and in the file.
  const questions = page.locator(".questions li");
  assert.equal(await questions.count(), unanswered.length);
  assert.ok((await questions.allTextContents()).some((text) => text.includes(NASTY)));
  const save = async (button) => {
    const [file] = await Promise.all([page.waitForEvent("download"), button.click()]);
    return [file.suggestedFilename(), readFileSync(await file.path(), "utf8")];
  };
  const [name, text] = await save(page.getByRole("button", { name: "Questions without an answer as a CSV file" }));
  assert.match(name, /^questions-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv$/);
  assert.ok(text.includes(`"'=HYPERLINK(""http://evil.example"")`), text);
  const [, table] = await save(page.getByRole("button", { name: "CSV", exact: true }));
  assert.equal(table.trim().split("\n").length, 31);
  // Another span, and from a question to its conversation.
  await page.getByRole("button", { name: "7 days" }).click();
  const week = (await numbers(7)).total.conversations;
  await until("the week is shown", async () => (await tile("Conversations")) === String(week));
  await page.locator(".questions li", { hasText: "HYPERLINK" }).getByRole("link").click();
  await page.locator(".talk-head").waitFor();
  assert.ok(page.url().endsWith(asked.conversation));
  assert.deepEqual(caught, []);
  await context.close();
});

for (const [name, look] of Object.entries(LOOKS)) {
  test(`${name}: nothing for axe to find, nothing wider than the screen`, async () => {
    const { page, context, caught } = await colleague(browser, server, `nils-${name.replace(" ", "-")}`, { reducedMotion: "reduce", ...look });
    if (name === "chinese") {
      await page.getByRole("button", { name: "You", exact: true }).click();
      await page.getByRole("button", { name: "中文" }).click();
      await page.getByRole("navigation", { name: "页面" }).waitFor();
    }
    await open(page);
    await page.locator(".counted summary").click();
    await until("every chart is drawn", () => drawn(page));
    // The page scrolls inside: a tall window shows all of it.
    if (process.env.SHOTS) {
      const size = page.viewportSize();
      await page.setViewportSize({ ...size, height: await page.locator(".page").evaluate((one) => one.scrollHeight) });
      await page.screenshot({ path: `${process.env.SHOTS}/numbers-${name.replace(" ", "-")}.png` });
      await page.setViewportSize(size);
    }
    assert.deepEqual(await faults(page), []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    assert.deepEqual(caught, []);
    await context.close();
  });
}

test("a shop without a past says so", async () => {
  const fresh = await new Server().start();
  try {
    const { page, context } = await colleague(browser, fresh, "first", { role: "admin" });
    await page.goto(`${fresh.url}/dashboard/#/numbers`);
    await page.getByText("Nothing to count in this time").waitFor();
    assert.deepEqual(await faults(page), []);
    await context.close();
  } finally {
    await fresh.remove();
  }
});
