// The owner words the shop; a version's rows and held-out questions, as the training pages draw them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, launch, Server } from "./harness.mjs";
import { colleague, faults, shopper, until } from "./dashboard-kit.mjs";

let browser, server, mara;
before(async () => {
  server = await new Server().start();
  browser = await launch();
  mara = await colleague(browser, server, "mara", { role: "admin", reducedMotion: "reduce" });
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

test("the shop's words are previewed, kept, told to the next shopper, and left to the file again", async () => {
  const { page, caught } = mara;
  const begins = page.getByRole("region", { name: "What every prompt begins with" });
  const says = (words) => until(`the prompt says ${words}`, async () => (await begins.textContent()).includes(words));
  await page.goto(`${server.url}/dashboard/#/settings/shop`);
  await says("You are Wren, the assistant of Brackenfold.");
  await page.getByLabel("Name of the assistant").fill("Mia");
  await page.getByLabel("Tone").fill("brisk");
  await page.getByLabel("Facts").fill("We are closed on Sundays.\n\nGift wrap is free.");
  await says("You are Mia, the assistant of Brackenfold.");
  await says("Be brisk.");
  await says("- We are closed on Sundays.");
  assert.ok(!(await begins.textContent()).includes("60 days"));
  assert.deepEqual(await faults(page), []);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved; the next answer is made with it").waitFor();
  await page.reload();
  await until("it is kept", async () => (await page.getByLabel("Facts").inputValue()) === "We are closed on Sundays.\nGift wrap is free.");
  const ada = await shopper(browser, server);
  await ada.frame.getByText("Mia", { exact: true }).first().waitFor();
  await ask(ada.frame, "Yes.");
  // What does not fit is said before it is saved, and kept by nobody.
  await page.getByLabel("E-mail address for shoppers").fill("help");
  await begins.getByText("is not an e-mail address").waitFor();
  assert.equal(await page.getByRole("button", { name: "Save" }).isDisabled(), true);
  await page.getByLabel("E-mail address for shoppers").fill("");
  await page.getByLabel("Name of the assistant").fill("");
  await page.getByLabel("Tone").fill("");
  await page.getByRole("button", { name: "As in the file" }).click();
  await says("60 days");
  await page.getByRole("button", { name: "Save" }).click();
  await until("nothing is set", async () => (await page.getByRole("button", { name: "Save" }).isDisabled()) && (await page.getByText("Not saved yet").count()) === 0);
  await page.goto(`${server.url}/dashboard/#/settings/audit`);
  await page.getByRole("cell", { name: "words", exact: true }).first().waitFor();
  assert.deepEqual([...caught, ...ada.caught], []);
  await ada.context.close();
});

const ID = "01a20000-0000-7000-8000-000000000001";
const CONVS = ["01a20000-0000-7000-8000-00000000000a", "01a20000-0000-7000-8000-00000000000b"];
const SCORE = { value: 0.5, low: 0.4, high: 0.6 };
const QUESTION = "Use this information to answer the question.\n\nInformation:\nGift cards: by e-mail.\n\nQuestion: Do you <b>wrap</b> gifts?";
const RUN = { id: ID, name: "shop", state: "done", by: "mara", created_at: 1_760_000_000_000, started_at: 1_760_000_000_000, ended_at: 1_760_000_600_000, fault: null, published: "shop@1" };
const CARD = {
  passed: true,
  reasons: [],
  suites: [{ name: "reference_words", direction: "higher", measure: "token F1", rows: 2, trivial: null, base: SCORE, adapter: SCORE, details: { more: { examples: [{ question: QUESTION, conversation: CONVS[0], reference: "Yes, in green linen.", base: "By e-mail.", adapter: "Yes, in linen." }] } } }],
};
const row = (n, convs) => ({ id: `r${n}`, group: "g", lineage: convs.map((conversation) => ({ conversation, shopper: "s", events: [2] })), messages: [{ role: "user", content: `Question ${n}, [NAME]?` }, { role: "assistant", content: `Answer ${n}.` }] });
const ROWS = [...Array.from({ length: 24 }, (_, n) => row(n, [CONVS[0]])), row(24, CONVS)];

test("a run shows its held-out questions side by side, and its rows down to every conversation", async () => {
  // The trainer is no part of a quick build: its answers are made here, as the server would give them.
  const { page, context, caught } = mara;
  const answer = (path, body) => context.route((url) => url.pathname === path, (route) => route.fulfill({ json: typeof body === "function" ? body(new URL(route.request().url()).searchParams) : body }));
  await answer("/v1/staff/runs", { runs: [RUN] });
  await answer(`/v1/staff/runs/${ID}`, { run: RUN, recipe: { name: "shop" }, report: null, last: null, trials: [], scorecard: CARD, artefacts: ["rows.jsonl"] });
  await answer(`/v1/staff/runs/${ID}/rows`, (query) => ({ rows: ROWS.slice(Number(query.get("after") ?? 0), Number(query.get("after") ?? 0) + Number(query.get("limit"))), count: ROWS.length }));
  await answer("/v1/staff/adapters", { adapters: [{ id: "shop@1", role: "idle", share: null, shipped: false, base: "tiny", created_at: RUN.created_at, passed: true, tainted: false, fault: null }], status: { chat: "shop", current: null, candidate: null, share: null, loading: null, loaded: [], faults: {} } });
  await answer("/v1/staff/adapters/shop/1", { manifest: { base: "tiny", weights_hash: "a".repeat(64), data_hash: "b".repeat(64), recipe: "", scorecard: CARD, run: ID, created_at: RUN.created_at, tainted: false }, objections: [] });
  await context.route((url) => url.pathname === `/v1/staff/runs/${ID}/events`, (route) => route.fulfill({ contentType: "text/event-stream", body: `event: run\ndata: ${JSON.stringify(RUN)}\n\n` }));
  await page.goto(`${server.url}/dashboard/#/training/run/${ID}`);
  const held = page.locator(".held");
  assert.equal(await held.locator("header p").textContent(), "Do you <b>wrap</b> gifts?");
  assert.deepEqual(await held.locator("dl > div").allTextContents(), ["A personYes, in green linen.", "BaseBy e-mail.", "AdapterYes, in linen."]);
  await held.getByText("All that was given to the model").click();
  await held.getByText("Gift cards: by e-mail.").waitFor();
  await page.getByText("Rows it learnt from").click();
  const rows = page.locator(".example");
  await until("a page of them", async () => (await rows.count()) === 20);
  await page.getByRole("button", { name: "More" }).click();
  await until("all of them", async () => (await rows.count()) === 25);
  assert.deepEqual(await rows.last().getByRole("link").evaluateAll((links) => links.map((link) => link.getAttribute("href"))), CONVS.map((conv) => `#/inbox/all/${conv}`));
  assert.equal(await rows.first().locator(".redacted").textContent(), "NAME");
  assert.deepEqual(await faults(page), []);
  await page.goto(`${server.url}/dashboard/#/training/models`);
  await page.getByRole("button", { name: "shop@1", exact: true }).click();
  const sheet = page.getByRole("dialog", { name: "shop@1" });
  await sheet.getByText("Its rows, and the conversations they come from").click();
  await until("its rows", async () => (await sheet.locator(".example").count()) === 20);
  assert.equal(await sheet.locator(".held").count(), 1);
  assert.deepEqual(await faults(page), []);
  assert.deepEqual(caught, []);
});
