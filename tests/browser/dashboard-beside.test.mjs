// What stands beside a conversation: the page the shopper is on, their orders, a summary; and giving it to a colleague.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, Server } from "./harness.mjs";
import { colleague, faults, SECRET, session, shopper, speak, transcript, until, visit } from "./dashboard-kit.mjs";

let browser, server, mara, tom;
before(async () => {
  server = await new Server({ env: { SHOPCLERK__WEB__IDENTITY_SECRETS: `["${SECRET}"]` } }).start();
  browser = await launch();
  mara = await colleague(browser, server, "mara", { display: "Mara Lindqvist", role: "admin" });
  tom = await colleague(browser, server, "tom", { display: "Tom Ashby" });
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

/** A picture of the page, where SHOPCLERK_PICTURES names a folder. */
const picture = async ({ page }, name) => process.env.SHOPCLERK_PICTURES && page.screenshot({ path: `${process.env.SHOPCLERK_PICTURES}/${name}.png` });
const calm = (...people) => people.forEach(({ caught }) => assert.deepEqual(caught, []));
const panel = (page) => page.getByRole("complementary", { name: "Details" });

test("an agent sees where the shopper is, and it follows them without a reload", async () => {
  const ada = await shopper(browser, server);
  await ada.say("[[raw]]Of course.");
  await ada.sees("Of course.");
  const { page } = mara;
  await visit(page, server, await ada.conv());
  const title = await ada.page.title();
  const link = panel(page).getByRole("link", { name: title });
  await link.waitFor();
  assert.equal(await link.getAttribute("href"), `${server.url}/demo/`);
  assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  // A shop that draws its pages itself: another address and title in the same document, and a part that is nobody's business.
  await ada.page.evaluate(() => {
    history.pushState({}, "", "/demo/?product=scree-mid-boot#private");
    document.title = "Scree Mid Boot";
  });
  const moved = panel(page).getByRole("link", { name: "Scree Mid Boot" });
  await moved.waitFor();
  assert.equal(await moved.getAttribute("href"), `${server.url}/demo/?product=scree-mid-boot`);
  // The shopper is never bothered with it.
  assert.equal(await ada.frame.locator(".fault").textContent(), "");
  calm(ada, mara);
  await ada.context.close();
});

test("a conversation is given to a colleague, who is told by whom, and has a summary to begin with", async () => {
  const bo = await shopper(browser, server);
  await bo.say("Is the Scree Mid Boot waterproof? [[raw]]Asks whether the boot is waterproof.[[end]]");
  await bo.frame.locator(".line.reply:not(.welcome):not(.live) .bubble").getByText("Asks whether the boot is waterproof.").waitFor();
  await bo.frame.getByRole("button", { name: "Talk to a person" }).click();
  await bo.sees("A person will answer you here.");
  const conv = await bo.conv();
  await tom.page.goto(`${server.url}/dashboard/#/inbox/mine`);
  const { page } = mara;
  await visit(page, server, conv, "waiting");
  // Made by itself, because a person is wanted; in the model's words, with what is known beside them.
  const summary = panel(page).locator(".panel-part", { has: page.getByRole("heading", { name: /^Summary/ }) });
  await summary.getByText("Asks whether the boot is waterproof.").waitFor();
  await summary.getByText("Scree Mid Boot", { exact: true }).waitFor();
  await summary.getByText("the shopper asked").waitFor();
  await picture(mara, "beside-summary");
  await summary.getByRole("button", { name: "Sum up again" }).click();
  await until("a second one", async () => (await transcript(page).locator(".entry.summary").count()) === 2);

  await page.getByRole("button", { name: "Assign to a colleague" }).click();
  const team = page.getByRole("group", { name: "Who answers from now on" });
  // The team is fetched when it is asked for.
  await team.getByRole("button", { name: "Tom Ashby" }).waitFor();
  assert.deepEqual(await team.getByRole("button").allInnerTexts().then((all) => all.map((one) => one.replace(/\s+/g, " ").trim())), ["ML Mara Lindqvist · You", "TA Tom Ashby"]);
  await picture(mara, "beside-assign");
  assert.deepEqual(await faults(page), []);
  await team.getByRole("button", { name: "Tom Ashby" }).click();
  // Tom looks at his list: it is there, he is told from whom (for some seconds), and one click opens it.
  const told = tom.page.getByRole("status").filter({ hasText: "Mara Lindqvist gave you" });
  await told.waitFor();
  await tom.page.getByRole("list", { name: "Mine" }).locator(`a[href*="${conv}"]`).waitFor();
  await told.getByRole("button", { name: "Open" }).click();
  await tom.page.getByText("You answer; the assistant is silent").waitFor();
  await page.getByText("Tom Ashby answers").first().waitFor();
  await transcript(page).getByText("Mara Lindqvist gave it to Tom Ashby").waitFor();
  await bo.sees("You are talking to a person");
  // Mara sees who answers now, and takes it back; of her own doing she is not told.
  await page.getByRole("button", { name: "Assign to a colleague" }).click();
  assert.equal(await team.getByRole("button", { name: "Tom Ashby" }).isDisabled(), true);
  await team.getByRole("button", { name: "Mara Lindqvist" }).click();
  await page.getByText("You answer; the assistant is silent").waitFor();
  await tom.page.getByText("Mara Lindqvist answers").first().waitFor();
  assert.equal(await page.getByRole("status").filter({ hasText: "gave you" }).count(), 0);
  calm(bo, mara, tom);
  await bo.context.close();
});

test("the orders of a shopper whom the shop vouches for, and of nobody else", async () => {
  const { page } = mara;
  const claim = { sub: "customer-1001", name: "Ada Lund", email: "ada@example.com" };
  const vouched = await session(server, claim);
  const stranger = await session(server);
  await page.goto(`${server.url}/dashboard/#/inbox/all`);
  await speak(page, vouched, ["[[raw]]Where is my order?"]);
  await speak(page, stranger, ["[[raw]]I am customer-1001, ada@example.com, order B-10412"]);
  await visit(page, server, vouched.conversation);
  await panel(page).getByText("B-10412").waitFor();
  await panel(page).getByText("Scree Mid Boot, 2 × Cinder Wool Beanie").waitFor();
  await panel(page).getByText("Shipped").waitFor();
  await picture(mara, "beside-orders");
  assert.deepEqual(await faults(page), []);
  await visit(page, server, stranger.conversation);
  await panel(page).getByText("Not verified").waitFor();
  assert.equal(await panel(page).getByRole("heading", { name: "Orders" }).count(), 0);
  calm(mara);
});

test("at phone width, in Chinese and in the dark it is all there", async () => {
  const yue = await colleague(browser, server, "yue", { display: "陈悦", viewport: { width: 375, height: 740 }, colorScheme: "dark" });
  const { page } = yue;
  await page.evaluate(() => localStorage.setItem("shopclerk.desk.lang", '"zh"'));
  await page.reload();
  const one = await session(server, { sub: "customer-1002", name: "王晓雨" });
  await page.goto(`${server.url}/dashboard/#/inbox/all`);
  await speak(page, one, ["[[raw]]你好"]);
  await visit(page, server, one.conversation);
  await page.getByRole("button", { name: "更多" }).click();
  await page.getByRole("button", { name: "分配给同事" }).click();
  const team = page.getByRole("group", { name: "从现在起由谁回复" });
  await team.getByRole("button", { name: "Tom Ashby" }).waitFor();
  const box = await team.boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= 375, JSON.stringify(box));
  await picture(yue, "beside-phone-assign");
  assert.deepEqual(await faults(page), []);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "详情" }).click();
  await page.getByRole("heading", { name: "订单" }).waitFor();
  await page.getByRole("button", { name: "生成摘要" }).click();
  await page.getByRole("button", { name: "重新生成" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  await picture(yue, "beside-phone-panel");
  // The panel alone has no heading of the first level: it stands beside one where there is room.
  assert.deepEqual((await faults(page)).filter((fault) => !fault.startsWith("page-has-heading-one")), []);
  calm(yue);
  await yue.context.close();
});
