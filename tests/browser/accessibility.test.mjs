// axe on every page and every state of the chat: light, dark and on a phone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axeSource, chat, launch, openChat, profile, say, seen, Server } from "./harness.mjs";

let browser, server;
before(async () => {
  server = await new Server().start();
  browser = await launch();
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
};

/** What axe finds in one document; frames are looked at by themselves. */
async function faults(target) {
  await target.evaluate(axeSource);
  const found = await target.evaluate(() => window.axe.run(document, { iframes: false, runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join("; ")}`);
}

for (const [name, look] of Object.entries(LOOKS)) {
  const visit = async (path, run, from = server) => {
    const { context, caught } = await profile(browser, [new URL(from.url).host], { reducedMotion: "reduce", ...look });
    try {
      const page = await context.newPage();
      await page.goto(`${from.url}${path}`);
      await page.getByRole("button", { name: "Open chat" }).waitFor();
      await run(page);
      assert.deepEqual(caught, []);
    } finally {
      await context.close();
    }
  };

  for (const path of ["/demo/", "/demo/product.html?id=scree-mid-boot", "/demo/product.html?id=hearth-hut-slipper", "/demo/product.html?id=none", "/demo/policy.html?id=sizes", "/demo/policy.html?id=returns", "/demo/cart.html"]) {
    test(`${name}: ${path}`, () => visit(path, async (page) => assert.deepEqual(await faults(page), [])));
  }

  test(`${name}: a cart with goods`, () =>
    visit("/demo/product.html?id=scree-mid-boot", async (page) => {
      await page.getByRole("radio", { name: "43" }).check();
      await page.getByRole("button", { name: "Add to cart" }).click();
      await page.getByText("is in your cart.").waitFor();
      assert.deepEqual(await faults(page), []);
      await page.getByRole("link", { name: "Go to the cart" }).click();
      await page.getByRole("heading", { name: "Your cart" }).waitFor();
      assert.deepEqual(await faults(page), []);
    }));

  test(`${name}: the chat in its states`, async () => {
    const mortal = await new Server().start();
    const states = async (page) => {
      const box = await openChat(page);
      await box.getByRole("button", { name: "Which boots are waterproof?" }).waitFor();
      const frame = page.frames().find((one) => one.url().includes("/widget/"));
      const clean = async (state) => assert.deepEqual(await faults(frame), [], state);
      await clean("the start");
      await say(chat(page), "[[raw]]**Bold**, `code`, [a link](https://brackenfold.example/returns) and a list:\n\n1. one\n2. two\n\n```\ncode\n```");
      await box.getByRole("link", { name: "a link" }).waitFor();
      await box.locator(".line.live").waitFor({ state: "detached" });
      await clean("an answer");
      await box.getByRole("button", { name: "Bad answer" }).click();
      await box.getByRole("textbox", { name: "What was wrong? (optional)" }).waitFor();
      await clean("an explanation");
      await box.getByRole("button", { name: "Skip" }).click();
      await say(chat(page), "[[slow 300]] [[long 40]]");
      await seen(box, "word2").waitFor();
      await clean("a streaming answer");
      await box.getByRole("button", { name: "Stop the answer" }).click();
      await box.getByRole("button", { name: "Try again" }).waitFor();
      await clean("a stopped answer");
      await box.getByRole("textbox", { name: "Your message" }).fill("a".repeat(4010));
      await seen(box, "10 characters too many").waitFor();
      await clean("a message that is too long");
      await box.getByRole("button", { name: "Talk to a person" }).click();
      await seen(box, "A person will answer you here.").waitFor();
      await clean("the queue");
      await mortal.stop("SIGKILL");
      await seen(box, "Connection lost.").waitFor();
      await clean("a lost connection");
      assert.deepEqual(await faults(page), [], "the page around it");
    };
    try {
      await visit("/demo/", states, mortal);
    } finally {
      await mortal.remove();
    }
  });
}
