// The agents' dashboard against the real server: colleagues and shoppers in browsers of their own.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, launch, profile, Server } from "./harness.mjs";
import { colleague, composer, invite, login, note, PASSWORD, said, shopper, totp, transcript, until, visit } from "./dashboard-kit.mjs";

let browser, server, mara, tom;
before(async () => {
  server = await new Server().start();
  browser = await launch();
  mara = await colleague(browser, server, "mara", { display: "Mara Lindqvist", role: "admin" });
  tom = await colleague(browser, server, "tom", { display: "Tom Ashby" });
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

const calm = (...people) => people.forEach(({ caught }) => assert.deepEqual(caught, []));

test("a shopper asks, an agent sees it, takes over, answers and hands back; a note stays inside", async () => {
  const ada = await shopper(browser, server);
  await ada.say("[[slow 80]] [[long 400]]");
  await ada.sees("word3");
  // It is in the list without a reload, and streams into the conversation.
  const { page } = mara;
  await page.getByRole("link", { name: /^All/ }).click();
  await page.getByRole("list", { name: "All" }).getByRole("link").first().click();
  await transcript(page).getByText("word5").waitFor();
  await page.keyboard.press("t");
  await page.getByText("You answer; the assistant is silent").waitFor();
  await ada.sees("You are talking to a person");
  // The summary comes when the model has a moment for it.
  const spoken = async () => (await said(page)).filter((line) => !line.startsWith("summary"));
  const cut = (await spoken()).at(-1);
  assert.match(cut, /^reply: word1 word2/);
  assert.ok(!cut.includes("word400"), cut);
  await composer(page).fill("Hello, this is Mara.");
  await composer(page).press("Enter");
  await ada.sees("Hello, this is Mara.");
  // The private note reaches the colleague and never the shopper.
  await page.keyboard.press("Escape");
  await page.keyboard.press("n");
  await note(page).fill("She sounds **tired**.");
  await note(page).press("Enter");
  await transcript(page).getByText("tired").waitFor();
  await ada.say("Thank you!");
  await transcript(page).getByText("Thank you!").waitFor();
  assert.equal((await spoken()).at(-2), "note: She sounds tired.");
  assert.ok(!(await ada.page.frames().at(-1).content()).includes("tired"));
  // Both sides see the other type.
  await ada.frame.getByRole("textbox", { name: "Your message" }).pressSequentially("and");
  await page.getByText("is typing").waitFor();
  await composer(page).pressSequentially("You are");
  await ada.sees("Someone is typing…");
  await composer(page).fill("");
  await page.getByRole("button", { name: "Hand back" }).click();
  await ada.sees("The assistant answers again");
  await ada.say("[[raw]]Here I am again.");
  await transcript(page).getByText("Here I am again.", { exact: true }).last().waitFor();
  await page.getByRole("button", { name: "Resolve", exact: true }).click();
  await ada.sees("This conversation is closed");
  await page.getByText("Resolved. A new message opens it again.").waitFor();
  calm(ada, mara);
  await ada.context.close();
});

test("two agents on one conversation: each sees the other, taking over is decided once, nobody answers twice", async () => {
  const bo = await shopper(browser, server);
  await ask(bo.frame, "Of course.");
  await bo.frame.getByRole("button", { name: "Talk to a person" }).click();
  await bo.sees("A person will answer you here.");
  const conv = await bo.conv();
  for (const { page } of [mara, tom]) {
    await page.goto(`${server.url}/dashboard/#/inbox/waiting`);
    await page.getByRole("list", { name: "Waiting" }).locator(`a[href*="${conv}"]`).click();
    await page.getByRole("button", { name: "Take over" }).waitFor();
  }
  await mara.page.getByText("Also here: Tom Ashby").waitFor({ state: "attached" });
  await Promise.all([mara, tom].map(({ page }) => page.keyboard.press("t")));
  const won = async ({ page }) => (await page.getByText("You answer; the assistant is silent").count()) === 1;
  await until("one of them has it", async () => (await won(mara)) !== (await won(tom)));
  const [owner, other] = (await won(mara)) ? [mara, tom] : [tom, mara];
  await other.page.getByText(/ answers\. Leave a note/).waitFor();
  await composer(owner.page).pressSequentially("I am on it");
  await other.page.getByText(/(Mara Lindqvist|Tom Ashby) is typing/).waitFor();
  await composer(owner.page).press("Enter");
  await bo.sees("I am on it");
  await composer(other.page).fill("Me too");
  assert.equal(await other.page.getByRole("button", { name: "Send" }).isDisabled(), true);
  await other.page.getByRole("button", { name: "Private note", exact: true }).click();
  await note(other.page).fill("I have seen this before");
  await note(other.page).press("Enter");
  await transcript(owner.page).getByText("I have seen this before").waitFor();
  await until("both see the same", async () => JSON.stringify(await said(owner.page)) === JSON.stringify(await said(other.page)));
  assert.equal((await said(owner.page)).filter((line) => line.startsWith("staff:")).length, 1);
  await composer(other.page).fill("");
  calm(bo, mara, tom);
  await bo.context.close();
});

test("a reply is corrected in its place, kept over a reload, and the shopper sees no change", async () => {
  const cy = await shopper(browser, server);
  // To its end: what is still being said cannot be corrected.
  await ask(cy.frame, "Returns take 10 days.");
  const conv = await cy.conv();
  const { page } = tom;
  await visit(page, server, conv);
  await page.getByRole("button", { name: "Correct", exact: true }).click();
  await page.getByRole("textbox", { name: "It should have said" }).fill("Returns take **60** days.");
  await page.getByRole("button", { name: "Save the correction" }).click();
  await transcript(page).getByText("Corrected by Tom Ashby").waitFor();
  await page.reload();
  await transcript(page).getByText("Corrected by Tom Ashby").waitFor();
  await transcript(page).getByText("Returns take 60 days.").waitFor();
  await transcript(page).getByText("Returns take 10 days.", { exact: true }).last().waitFor();
  await cy.page.reload();
  await cy.sees("Returns take 10 days.");
  assert.ok(!(await cy.page.frames().at(-1).content()).includes("60</strong>"));
  calm(cy, tom);
  await cy.context.close();
});

test("tags, canned replies and drafts: made here, used here, kept over a reload", async () => {
  const di = await shopper(browser, server);
  await di.say("[[raw]]Yes.");
  await di.sees("Yes.");
  const conv = await di.conv();
  const { page } = mara;
  await page.goto(`${server.url}/dashboard/#/settings/canned`);
  await page.getByRole("button", { name: "New canned reply" }).first().click();
  await page.getByLabel("Shortcut").fill("bye");
  await page.getByLabel("Title").fill("Goodbye");
  await page.getByLabel("Text").fill("Goodbye {{name}}, says {{agent}} of {{shop}}.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("cell", { name: "/bye" }).waitFor();
  await visit(page, server, conv);
  await page.keyboard.press("l");
  await page.getByPlaceholder("Add a tag").fill("Farewell");
  await page.getByPlaceholder("Add a tag").press("Enter");
  await page.getByRole("button", { name: "Remove farewell" }).waitFor();
  await page.keyboard.press("Escape");
  await composer(page).focus();
  await composer(page).pressSequentially("/by");
  await page.getByRole("option", { name: /bye/ }).waitFor();
  await composer(page).press("Enter");
  await until("it is filled", async () => (await composer(page).inputValue()) === "Goodbye, says Mara Lindqvist of Brackenfold.");
  await page.reload();
  await until("it is kept", async () => (await composer(page).inputValue()) === "Goodbye, says Mara Lindqvist of Brackenfold.");
  // Sending takes over by itself.
  await composer(page).press("Enter");
  await di.sees("Goodbye, says Mara Lindqvist of Brackenfold.");
  await until("the field is empty", async () => (await composer(page).inputValue()) === "");
  await page.getByRole("button", { name: "Filters" }).click();
  await page.getByLabel("Tag", { exact: true }).selectOption("farewell");
  await page.getByRole("link", { name: "Remove the filter farewell" }).waitFor();
  await until("the list has the one", async () => (await page.locator(".list .item").count()) === 1);
  calm(di, mara);
  await di.context.close();
});

test("away while things happen: the list and the conversation are right without a reload", async () => {
  const own = await new Server().start();
  try {
    const eve = await shopper(browser, own);
    await ask(eve.frame, "First.");
    const conv = await eve.conv();
    const nora = await colleague(browser, own, "nora");
    const { page } = nora;
    await visit(page, own, conv);
    await transcript(page).getByText("First.", { exact: true }).last().waitFor();
    await nora.context.setOffline(true);
    await own.stop("SIGKILL");
    await page.getByText("Connection lost, trying again.").waitFor();
    await own.start();
    // Whoever asks for a person before the reply is there gets none.
    await ask(eve.frame, "Second.");
    await eve.frame.getByRole("button", { name: "Talk to a person" }).click();
    await eve.sees("A person will answer you here.");
    await nora.context.setOffline(false);
    await page.getByText("Connection lost").waitFor({ state: "detached", timeout: 60_000 });
    await transcript(page).getByText("A person is wanted").waitFor();
    assert.deepEqual((await said(page)).filter((line) => line.startsWith("reply")), ["reply: First.", "reply: Second."]);
    await page.getByRole("link", { name: /^Waiting/ }).click();
    await page.getByRole("list", { name: "Waiting" }).locator(`a[href*="${conv}"]`).waitFor();
    await until("the tab counts it", async () => /^\(1\) /.test(await page.title()));
  } finally {
    await own.remove();
  }
});

test("the first account, a second factor with its recovery codes, and a password that changes", async () => {
  const token = invite(server, "root", { role: "admin" });
  const zoe = await colleague(browser, server, "root", { token });
  const { page } = zoe;
  assert.ok(!page.url().includes(token), "the token stays out of the address");
  await page.goto(`${server.url}/dashboard/#/settings/account`);
  const factor = page.locator("section", { has: page.getByRole("heading", { name: "Second factor" }) });
  await factor.getByLabel("Password").fill(PASSWORD);
  await factor.getByRole("button", { name: "Set up" }).click();
  const secret = await factor.locator("code").textContent();
  await until("the picture is there", () => factor.locator("img").evaluate((image) => image.complete && image.naturalWidth > 0));
  await factor.getByLabel("Code of your app").fill(totp(secret));
  await factor.getByRole("button", { name: "Turn on" }).click();
  await factor.locator(".codes span").first().waitFor();
  const codes = await factor.locator(".codes span").allTextContents();
  assert.ok(codes.length >= 5);
  await page.getByRole("button", { name: "You", exact: true }).click();
  const gone = page.waitForEvent("load");
  await page.getByRole("button", { name: "Log out" }).click();
  await gone;
  await page.getByLabel("Login name").waitFor();
  assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((key) => /draft|outbox/.test(key)).length), 0);
  await login(page, server, "root", "not the password");
  await page.getByText("Name or password is wrong.").waitFor();
  await login(page, server, "root");
  await page.getByRole("button", { name: "Use a recovery code" }).click();
  await page.getByLabel("Recovery code").fill(codes[0]);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
  calm(zoe);
  await zoe.context.close();
});

test("an agent is shown no administration, and an invited colleague comes in by the link", async () => {
  await tom.page.goto(`${server.url}/dashboard/#/settings`);
  await tom.page.getByRole("link", { name: "Canned replies" }).waitFor();
  for (const name of ["Team", "API keys", "Audit log", "Training"]) assert.equal(await tom.page.getByRole("link", { name }).count(), 0, name);
  const { page } = mara;
  await page.goto(`${server.url}/dashboard/#/settings/agents`);
  await page.getByRole("button", { name: "Invite" }).click();
  await page.getByLabel("Your name").fill("Yue Chen");
  await page.getByLabel("Login name").fill("yue");
  await page.getByRole("button", { name: "Make a one-time link" }).click();
  const link = await page.locator(".secret code").textContent();
  const token = /#invite=(\S+)/.exec(link)[1];
  const yue = await colleague(browser, server, "yue", { token });
  await yue.page.getByRole("button", { name: "You", exact: true }).click();
  await yue.page.getByText("Yue Chen").waitFor();
  // Removed, she is out at once.
  await page.getByRole("button", { name: "Remove Yue Chen" }).click();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await yue.page.getByLabel("Login name").waitFor();
  await page.goto(`${server.url}/dashboard/#/settings/audit`);
  await page.getByRole("cell", { name: "Invited a colleague" }).first().waitFor();
  calm(mara, tom);
  await yue.context.close();
});

test("without a login there is nothing, and the page runs nothing from elsewhere", async () => {
  const { context, caught } = await profile(browser, [new URL(server.url).host]);
  const page = await context.newPage();
  const reply = await page.goto(`${server.url}/dashboard/#/inbox/all`);
  const policy = reply.headers()["content-security-policy"];
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.match(policy, /frame-ancestors 'none'/);
  await page.getByLabel("Login name").waitFor();
  assert.deepEqual(caught, []);
  await context.close();
});
