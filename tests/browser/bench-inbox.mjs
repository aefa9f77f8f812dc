// The inbox over 10,000 conversations, measured in a real Chromium on a real server: first paint, and scrolling from the
// first to the last. Not a test: `node tests/browser/bench-inbox.mjs` prints figures as `shopclerk bench --json` does.
//
// First paint is First Contentful Paint of a page without a cache, as the browser reports it; beside it the moment the first
// conversation stood in the list. The reference of both is the login page of the same server, which has no list. Long tasks
// are those of PerformanceObserver, 50 ms and more.

import { API_KEY, launch, profile, Server } from "./harness.mjs";
import { colleague, until } from "./dashboard-kit.mjs";
import { importShop } from "./made-shop.mjs";

const CONVERSATIONS = Number(process.argv[2] ?? 10_000);
const LOADS = 7;

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
  ], undefined, 2));
} finally {
  await browser.close();
  await server.remove();
}
