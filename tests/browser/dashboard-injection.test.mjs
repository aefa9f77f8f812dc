// The corpus of hostile texts through every field that the dashboard shows: nothing runs, nothing leaves.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, Server } from "./harness.mjs";
import { colleague, composer, note, PASSWORD, said, SECRET, session, speak, transcript, until, visit } from "./dashboard-kit.mjs";
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

/** At most `length` bytes of UTF-8, as the server counts. */
function cut(text, length) {
  const chars = [...text];
  while (Buffer.byteLength(chars.join("")) > length) chars.pop();
  return chars.join("").trim();
}

/** A shopper's browser that says what it likes: a page, a message, and once it is answered a comment. Resolves to what was refused. */
function visitor(page, { conversation: conv, token }, { address, title, comment }) {
  return page.evaluate(
    ([conv, token, address, title, comment]) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1/ws`, ["shopclerk.v1", `token.${token}`]);
        const refused = [];
        const send = (frame) => socket.send(JSON.stringify({ conv, ...frame }));
        const cmid = `${Date.now().toString(16).padStart(12, "0").replace(/^(.{8})/, "$1-")}-7000-8000-${Math.floor(Math.random() * 2 ** 48).toString(16).padStart(12, "0")}`;
        socket.onopen = () => socket.send(JSON.stringify({ t: "hello", resume: [] }));
        let asked = 0;
        socket.onmessage = (message) => {
          const frame = JSON.parse(message.data);
          if (frame.t === "welcome") {
            send({ t: "page", address, title });
            send({ t: "say", cmid, text: "[[raw]]hello" });
          } else if (frame.t === "ack") asked = frame.seq;
          else if (frame.kind === "reply" && asked && frame.upto >= asked) send({ t: "rate", seq: frame.seq, value: "down", comment });
          else if (frame.kind === "rating" && asked && frame.of > asked) {
            socket.close();
            resolve(refused);
          } else if (frame.t === "error") refused.push(frame.code);
        };
        socket.onclose = ({ code }) => reject(new Error(`closed ${code}: ${refused}`));
      }),
    [conv, token, address, title, comment],
  );
}

test("as a shopper's messages, in the list and in the transcript", async () => {
  const { page } = mara;
  await page.goto(`${server.url}/dashboard/#/inbox/all`);
  const one = await session(server);
  const texts = PAYLOADS.map(({ text }) => text);
  await speak(page, one, texts.map((text) => `[[raw]]${text}`));
  await visit(page, server, one.conversation);
  const shoppers = async () => (await said(page)).filter((line) => line.startsWith("shopper: "));
  await until("the newest are there", async () => (await shoppers()).at(-1) === `shopper: [[raw]]${texts.at(-1)}`, 60_000);
  const expected = JSON.stringify(texts.map((text) => `shopper: [[raw]]${text}`));
  const earlier = page.getByRole("button", { name: "Show earlier messages" });
  await until("all are there", async () => {
    const shown = await shoppers();
    if (JSON.stringify(shown) === expected) return true;
    if (await earlier.isVisible()) await earlier.click({ timeout: 2_000 }).catch(() => {});
    return shown.length;
  }, 60_000);
  // A shopper's own words carry no mark at all.
  assert.equal(await transcript(page).locator(".entry.shopper .bubble :not(p)").count(), 0);
  await clean("messages");
});

test("as everything else an outsider fills: name, e-mail, customer number, page and its title, comment", async () => {
  const { page } = mara;
  await page.goto(`${server.url}/dashboard/#/inbox/all`);
  const panel = page.locator(".panel");
  for (const [n, { name, text }] of PAYLOADS.entries()) {
    // Each under its own number, and as long as the server takes it.
    const sub = cut(`${n} ${text}`, 250);
    const one = await session(server, { sub, name: cut(text, 200), email: cut(text, 200) });
    await visitor(page, one, { address: `https://shop.example/${text}?q=${text}`, title: text, comment: text });
    await page.goto(`${server.url}/dashboard/#/inbox/all/${one.conversation}`);
    // Who the shopper is comes after the conversation itself.
    await panel.getByText(one.conversation).waitFor();
    await panel.locator(".page-of").waitFor();
    await page.locator(".entry .comment").waitFor();
    // Shown as it was written: what is missing here was not tested.
    const shown = await panel.innerText();
    const line = (words) => words.replace(/\s+/g, " ").trim();
    assert.ok(line(shown).includes(line(sub)), `${name}: the number in ${shown}`);
    assert.ok(line(shown).includes("shop.example/"), `${name}: the address in ${shown}`);
    assert.equal(line(await page.locator(".talk-who h1").innerText()), line(cut(text, 200)), name);
    assert.equal(line(await page.locator(".entry .comment").innerText()), line(`“${text}”`), name);
    // A page that is not the shop's own is no link, whatever it says.
    assert.equal(await panel.locator("a[href^=http], a[href^=java], a[href^=data]").count(), 0, name);
    await clean(name);
  }
});

test("as a page's address that is none: it is not even kept", async () => {
  const { page } = mara;
  const one = await session(server);
  for (const address of ["javascript:window.__ran=1", "data:text/html,<script>window.__ran=1</script>", "java\tscript:window.__ran=1", "file:///etc/passwd", "//hostile.example"]) {
    const codes = await visitor(page, one, { address, title: "x", comment: "x" });
    assert.deepEqual(codes, ["bad_page"], address);
  }
  await visit(page, server, one.conversation);
  await page.locator(".panel").getByText(one.conversation).waitFor();
  assert.equal(await page.locator(".page-of").count(), 0);
  await clean("address");
});

test("as the name of a browser, where an agent sees their own sessions", async () => {
  const agents = PAYLOADS.filter(({ name }) => name.endsWith("bare")).map(({ text }) => text.replace(/[^\x20-\x7e]+/g, " ").slice(0, 190));
  // An account keeps 20 sessions.
  for (const [name, some] of [["una", agents.slice(0, 15)], ["uwe", agents.slice(15)]]) {
    const { page, context, caught } = await colleague(browser, server, name);
    for (const agent of some) {
      const reply = await fetch(`${server.url}/v1/staff/login`, { method: "POST", headers: { "Content-Type": "application/json", "X-Shopclerk": "1", "User-Agent": agent }, body: JSON.stringify({ name, password: PASSWORD }) });
      assert.equal(reply.status, 200, agent);
    }
    await page.goto(`${server.url}/dashboard/#/settings/account`);
    const shown = () => page.locator("td[title]").evaluateAll((cells) => cells.map((cell) => cell.title.trim()));
    await until(`${name}: all are shown`, async () => {
      const there = await shown();
      return some.every((agent) => there.includes(agent.trim())) || there;
    });
    assert.deepEqual(caught, []);
    assert.equal(await strangers(page), 0);
    await context.close();
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
