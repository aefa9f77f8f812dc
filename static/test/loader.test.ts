// The loader in a page that is only as much of one as it touches.

import { beforeEach, expect, it, vi } from "vitest";

class Element {
  dataset: Record<string, string> = {};
  style = { setProperty: () => {}, overflow: "" };
  classList = { toggle: () => {} };
  children: Element[] = [];
  parent: Element | undefined;
  src = "";
  told: { t: string }[] = [];
  contentWindow = { postMessage: (message: { t: string }) => void this.told.push(message) };
  constructor(readonly tag = "") {}
  append(...children: Element[]): void {
    for (const child of children) child.parent = this;
    this.children.push(...children);
  }
  remove(): void {
    this.parent?.children.splice(this.parent.children.indexOf(this), 1);
  }
  attachShadow = (): Element => this;
  setAttribute(): void {}
  addEventListener(): void {}
  focus(): void {}
}

const SHOP = "https://shop.example";
const CHAT = "https://chat.example";

/** Loads the page anew: its storage stays. */
async function visit(attributes: Record<string, string> = {}) {
  vi.resetModules();
  const body = new Element("body");
  const script = Object.assign(new Element("script"), { src: `${CHAT}/widget.js`, dataset: attributes });
  let hear: (event: object) => void = () => {};
  let elsewhere = hear;
  const window: { addEventListener: unknown; Shopclerk?: { open(): void; logout(): void; identify(jwt: string): void } } = {
    addEventListener: (name: string, listener: typeof hear) => {
      if (name === "message") hear = listener;
      else elsewhere = listener;
    },
  };
  vi.stubGlobal("window", window);
  vi.stubGlobal("HTMLScriptElement", Element);
  vi.stubGlobal("CSSStyleSheet", class { replaceSync = (): void => {}; });
  vi.stubGlobal("location", { origin: SHOP, href: `${SHOP}/` });
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
  vi.stubGlobal("document", {
    currentScript: script,
    body,
    title: "A shop",
    documentElement: Object.assign(new Element(), { lang: "en" }),
    createElement: (tag: string) => new Element(tag),
    createElementNS: (_: string, tag: string) => new Element(tag),
  });
  await import("../src/loader/main");
  const frames = (): Element[] => {
    const all = (element: Element): Element[] => [element, ...element.children.flatMap(all)];
    return all(body).filter((element) => element.tag === "iframe");
  };
  return {
    shopclerk: window.Shopclerk!,
    frames,
    /** What another tab of the shop wrote down. */
    elsewhere: (key: string, newValue: string) => elsewhere({ key, newValue }),
    ready: () => hear({ origin: CHAT, source: frames()[0]!.contentWindow, data: { shopclerk: 1, t: "ready" } }),
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  for (const name of ["localStorage", "sessionStorage"]) {
    const map = new Map<string, string>();
    vi.stubGlobal(name, { getItem: (k: string) => map.get(k) ?? null, setItem: (k: string, v: string) => void map.set(k, v) });
  }
});

it("a customer who logs out gets a new frame that is told so, and is not named to it again", async () => {
  const page = await visit({ identity: "jwt-of-ann" });
  page.shopclerk.open();
  page.ready();
  const [first] = page.frames();
  expect(first!.src).toContain("&vouched");
  expect(first!.src).not.toContain("&out");
  expect(first!.told.map(({ t }) => t)).toEqual(["identify", "open", "page"]);
  page.shopclerk.logout();
  const [second, ...others] = page.frames();
  expect([second === first, others.length]).toEqual([false, 0]);
  expect(second!.src).toContain("&out");
  expect(second!.src).not.toContain("&vouched");
  page.ready();
  expect(second!.told.map(({ t }) => t)).toEqual(["open", "page"]);
  page.shopclerk.identify("jwt-of-bob");
  expect(second!.told.at(-1)).toMatchObject({ t: "identify", jwt: "jwt-of-bob" });
});

it("a page that goes away at once leaves the log-out to the next one", async () => {
  (await visit()).shopclerk.logout();
  const next = await visit();
  next.shopclerk.open();
  expect(next.frames()[0]!.src).toContain("&out");
  next.ready();
  const later = await visit();
  later.shopclerk.open();
  expect(later.frames()[0]!.src).not.toContain("&out");
});

it("a log-out in another tab is one here", async () => {
  const unopened = await visit({ identity: "jwt-of-ann" });
  unopened.elsewhere("shopclerk.out", "1");
  unopened.shopclerk.open();
  expect(unopened.frames()[0]!.src).not.toContain("&vouched");
  const page = await visit({ identity: "jwt-of-ann" });
  page.shopclerk.open();
  page.ready();
  page.elsewhere("shopclerk.used", "1");
  page.elsewhere("shopclerk.out", "");
  expect(page.frames()[0]!.told.at(-1)).toMatchObject({ t: "page" });
  page.elsewhere("shopclerk.out", "1");
  expect(page.frames()[0]!.told.at(-1)).toMatchObject({ t: "identify", jwt: "" });
});

it("a frame that was not told of a log-out does not end it", async () => {
  const page = await visit();
  page.shopclerk.open();
  localStorage.setItem("shopclerk.out", "1");
  page.ready();
  const next = await visit();
  next.shopclerk.open();
  expect(next.frames()[0]!.src).toContain("&out");
});
