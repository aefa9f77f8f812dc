// The inbox over 10,000 conversations, measured in a real Chromium on a real server: first paint, scrolling from the first to
// the last, and how long 200 messages a second take to an agent's screen. Not a test: `node tests/browser/bench-inbox.mjs` prints figures as `shopclerk bench --json` does.
//
// First paint is First Contentful Paint of a page without a cache, as the browser reports it; beside it the moment the first
// conversation stood in the list. The reference of both is the login page of the same server, which has no list. Long tasks
// are those of PerformanceObserver, 50 ms and more. A message is on the screen once a frame was painted after it stood in the
// page: a MutationObserver finds it, and the end of the frame that follows is its time. It counts from when it was due to be
// sent, by a process of its own; the reference is the shopper's acknowledgement of the same messages.

import { API_KEY, launch, profile, Server } from "./harness.mjs";
import { colleague, session, until } from "./dashboard-kit.mjs";
import { importShop } from "./made-shop.mjs";
import { connect } from "./wire.mjs";

const CONVERSATIONS = Number(process.argv[2] ?? 10_000);
const LOADS = 7;
/** Shoppers who wait for a person and write, all together this many messages a second for so long. */
const SHOPPERS = 60;
const PER_SECOND = 200;
const SECONDS = 20;

const sorted = (values) => values.toSorted((a, b) => a - b);
const rank = (values, percent) => sorted(values)[Math.max(0, Math.ceil((values.length * percent) / 100) - 1)];
const figure = (name, value, unit, reference, target, met) => ({ figure: name, value, unit, reference: reference ?? null, ratio: reference ? value / reference : null, target, met });

/** Watches from the first byte of a page on. */
function watch() {
  window.__tasks = [];
  new PerformanceObserver((list) => window.__tasks.push(...list.getEntries().map(({ startTime, duration }) => ({ startTime, duration })))).observe({ type: "longtask", buffered: true });
  const look = () => {
    if (document.querySelector(".virtual .item")) window.__listed = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** The first paint of an address, each time without a cache. */
async function load(context, address, ready) {
  const page = await context.newPage();
  const wire = await context.newCDPSession(page);
  await wire.send("Network.enable");
  await wire.send("Network.setCacheDisabled", { cacheDisabled: true });
  await page.addInitScript(watch);
  await page.goto(address);
  await page.locator(ready).first().waitFor();
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
  const seen = await page.evaluate(() => ({ paint: performance.getEntriesByName("first-contentful-paint")[0].startTime, listed: window.__listed, tasks: window.__tasks }));
  return { page, ...seen };
}

/** From the first row to the last, a screen every few frames, as fast as pages come. */
async function scroll(page) {
  return page.evaluate(async () => {
    window.__tasks.length = 0;
    const box = document.querySelector(".virtual");
    const frames = [];
    const seen = new Set();
    let [last, still] = [performance.now(), 0];
    while (still < 120) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      frames.push(now - last);
      last = now;
      for (const item of box.querySelectorAll("li")) seen.add(item.getAttribute("aria-posinset"));
      const before = box.scrollTop;
      box.scrollTop += box.clientHeight * 0.8;
      still = box.scrollTop === before ? still + 1 : 0;
    }
    return { seen: seen.size, frames, tasks: window.__tasks.map(({ duration }) => duration) };
  });
}

/** Notes when the number of a message was painted first: in the open conversation and in the list. */
function lookOut() {
  window.__shown = { talk: {}, list: {} };
  const number = (text) => /message #(\d+)$/.exec(text ?? "")?.[1];
  const look = (place, selector) => {
    const fresh = [];
    for (const part of document.querySelectorAll(selector)) {
      const n = number(part.textContent);
      if (n !== undefined && !(n in window.__shown[place])) {
        window.__shown[place][n] = 0;
        fresh.push(n);
      }
    }
    if (!fresh.length) return;
    // The frame that paints it, and the task after it.
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        const at = performance.timeOrigin + performance.now();
        for (const n of fresh) window.__shown[place][n] = at;
      };
      port2.postMessage(0);
    });
  };
  new MutationObserver(() => {
    look("talk", ".transcript .entry.shopper:nth-last-child(-n + 6) .bubble");
    look("list", ".list .item-text");
  }).observe(document.querySelector(".inbox"), { subtree: true, childList: true, characterData: true });
}

const moment = () => performance.timeOrigin + performance.now();

/** Shoppers who write; when each message was due, and when it was acknowledged. */
async function write(server, page) {
  const acks = new Map();
  const wires = [];
  for (let n = 0; n < SHOPPERS; n += 1) {
    const { conversation: conv, token } = await session(server);
    let queued;
    const waits = new Promise((resolve) => (queued = resolve));
    const wire = await connect(server, token, (frame) => {
      if (frame.t === "ack") acks.set(parseInt(frame.cmid.slice(-8), 16), moment());
      if (frame.kind === "owner") queued();
    });
    wire.send({ t: "person", conv });
    await waits;
    wires.push({ conv, ...wire });
  }
  await page.goto(`${server.url}/dashboard/#/inbox/all/${wires[0].conv}`);
  // The list is at its top again.
  await page.reload();
  await page.locator(".transcript").waitFor();
  await page.evaluate(lookOut);
  const due = new Map();
  const began = moment() + 200;
  const stamp = Math.floor(began).toString(16).padStart(12, "0");
  for (let n = 0; n < PER_SECOND * SECONDS; n += 1) {
    const at = began + (n * 1000) / PER_SECOND;
    while (moment() < at) await new Promise((resolve) => (at - moment() > 2 ? setTimeout(resolve, 1) : setImmediate(resolve)));
    const { conv, send } = wires[n % SHOPPERS];
    due.set(n, at);
    send({ t: "say", conv, cmid: `${stamp.slice(0, 8)}-${stamp.slice(8)}-7000-8000-0000${n.toString(16).padStart(8, "0")}`, text: `message #${n}` });
  }
  await until("all are acknowledged", () => acks.size === due.size, 30_000);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  wires.forEach(({ close }) => close());
  return { due, acks };
}

/** How long the messages of a place took to be painted. */
async function screen(server, page) {
  const { due, acks } = await write(server, page);
  const shown = await page.evaluate(() => window.__shown);
  const took = (times) => Object.entries(times).filter(([, at]) => at > 0).map(([n, at]) => at - due.get(Number(n)));
  const ack = [...acks].map(([n, at]) => at - due.get(n));
  const open = [...due.keys()].filter((n) => n % SHOPPERS === 0).length;
  const figures = [];
  for (const [place, words, all] of [["talk", "in the open conversation", open], ["list", "in the list", due.size]]) {
    const times = took(shown[place]);
    for (const percent of [50, 99]) {
      const value = rank(times, percent);
      figures.push(figure(`a shopper's message to an agent's screen, ${words}, ${PER_SECOND}/s, p${percent} (reference: its ack)`, value, "ms", rank(ack, percent), percent === 99 ? "< 100" : "", percent !== 99 || value < 100));
    }
    figures.push(figure(`messages painted ${words}`, (times.length / all) * 100, "%", null, place === "talk" ? "100" : "", place !== "talk" || times.length === all));
  }
  return figures;
}

const server = new Server();
const browser = await launch();
try {
  importShop(server.data, { conversations: CONVERSATIONS, days: 365, each: [3, 6] });
  await server.start();
  const count = async () => (await fetch(`${server.url}/v1/staff/numbers`, { headers: { Authorization: `Bearer ${API_KEY}` } })).json();
  await until("everything is counted", async () => (await count()).ready === true, 120_000);
  const behind = async () => (await fetch(`${server.url}/v1/staff/search?q=zzzz`, { headers: { Authorization: `Bearer ${API_KEY}` } })).json();
  await until("everything is indexed", async () => (await behind()).behind === 0, 300_000);

  const { context } = await colleague(browser, server, "bench");
  const bare = await profile(browser, [new URL(server.url).host]);
  const [paints, lists, logins] = [[], [], []];
  let open;
  for (let n = 0; n < LOADS; n += 1) {
    await open?.close();
    const inbox = await load(context, `${server.url}/dashboard/#/inbox/all`, ".virtual .item");
    const login = await load(bare.context, `${server.url}/dashboard/`, "form");
    paints.push(inbox.paint);
    lists.push(inbox.listed);
    logins.push(login.paint);
    open = inbox.page;
    await login.page.close();
  }
  const { seen, frames, tasks } = await scroll(open);
  const all = await open.locator(".virtual li").first().getAttribute("aria-setsize");
  const worst = Math.max(0, ...tasks);
  const painted = await screen(server, open);
  const name = `${CONVERSATIONS} conversations`;
  console.log(JSON.stringify([
    figure(`first paint of the inbox, ${name}, median of ${LOADS} (reference: login page)`, rank(paints, 50), "ms", rank(logins, 50), "< 1000", rank(paints, 50) < 1000),
    figure(`first paint of the inbox, ${name}, slowest`, rank(paints, 100), "ms", rank(logins, 100), "< 1000", rank(paints, 100) < 1000),
    figure(`first conversations in the list, ${name}, median`, rank(lists, 50), "ms", rank(logins, 50), "< 1000", rank(lists, 50) < 1000),
    figure(`first conversations in the list, ${name}, slowest`, rank(lists, 100), "ms", rank(logins, 100), "", true),
    figure("rows scrolled past", seen, "rows", Number(all), "all", seen === Number(all)),
    figure("long tasks over 50 ms while scrolling the whole list", tasks.length, "tasks", null, "0", tasks.length === 0),
    figure("longest task while scrolling (0: none of 50 ms)", worst, "ms", null, "< 50", worst < 50),
    figure("frame while scrolling, p50", rank(frames, 50), "ms", null, "", true),
    figure("frame while scrolling, p99", rank(frames, 99), "ms", null, "", true),
    ...painted,
  ], undefined, 2));
} finally {
  await browser.close();
  await server.remove();
}
