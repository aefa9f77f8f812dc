// The same page with the real model: with SHOPCLERK_MODEL set to the name or the folder of one, or SHOPCLERK_MODELS to
// the folder with the default one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chat, launch, lines, openChat, profile, realModel, seen, Server, until } from "./harness.mjs";

const model = realModel();

test("a real model answers the question on the demo shop's page", { skip: !model && "neither SHOPCLERK_MODEL nor SHOPCLERK_MODELS names a model" }, async () => {
  const server = await new Server({ model }).start();
  const browser = await launch();
  const { context, caught } = await profile(browser, [new URL(server.url).host]);
  try {
    await until("the model is loaded", async () => (await fetch(`${server.url}/readyz`)).ok, 120_000);
    const page = await context.newPage();
    await page.goto(`${server.url}/demo/`);
    const frame = await openChat(page);
    await frame.getByRole("button", { name: "Can I return shoes I have worn?" }).click();
    const early = await frame.locator(".line.reply:not(.welcome) .bubble").first().textContent({ timeout: 30_000 });
    await page.reload();
    const reply = chat(page).locator(".line.reply:not(.welcome):not(.live)");
    await reply.waitFor({ timeout: 120_000 });
    const [question, answer] = await lines(chat(page));
    console.log(`# ${question}\n# ${answer}`);
    assert.equal(question, "shopper: Can I return shoes I have worn?");
    assert.ok(answer.length > early.length);
    assert.match(answer, /can (be )?return/i);
    assert.doesNotMatch(answer, /cannot|can.t return/i);
    const second = await context.newPage();
    await second.goto(`${server.url}/demo/`);
    await openChat(second);
    await seen(chat(second), "Can I return shoes I have worn?").first().waitFor();
    await until("the second tab shows the same", async () => JSON.stringify(await lines(chat(second))) === JSON.stringify([question, answer]));
    assert.deepEqual(caught, []);
  } finally {
    await context.close();
    await browser.close();
    await server.remove();
  }
});
