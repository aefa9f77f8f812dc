import { expect, it, vi } from "vitest";
import { Bridge, pageOrigin } from "../src/widget/bridge";
import { contrast, palette, parse } from "../src/widget/color";
import { uuidv7 } from "../src/widget/ids";
import { forget, keepIn } from "../src/widget/keep";
import { Refused, Sessions } from "../src/widget/session";
import { faultText, language, textsFor } from "../src/widget/texts";
import { room } from "../src/room";
import { unwrap, wrap } from "../src/shared";

it("ids are UUIDv7 and sort by time", () => {
  expect(uuidv7(0x0192f0a1b2c3, new Uint8Array(10).fill(255))).toBe("0192f0a1-b2c3-7fff-bfff-ffffffffffff");
  expect(uuidv7(0, new Uint8Array(10))).toBe("00000000-0000-7000-8000-000000000000");
  const ids = [1, 2, 3].map((n) => uuidv7(1_700_000_000_000 + n));
  expect([...ids].sort()).toEqual(ids);
});

it("every brand colour gives readable colours, and a bad one a plain colour", () => {
  for (const brand of ["#000000", "#ffffff", "#ffff00", "#2f6b4f", "#7f7f7f", "#ff0000", "#00ff88", "#1e90ff", "#abc", "red;}", "", "#12345"]) {
    const colors = palette(brand);
    const rgb = (name: string) => colors[name]!.match(/\d+/g)!.map(Number) as [number, number, number];
    expect(contrast(rgb("--brand"), rgb("--on-brand")), `${brand} on`).toBeGreaterThanOrEqual(4.5);
    for (const ground of [[255, 255, 255], [242, 243, 245]] as const) expect(contrast(rgb("--accent-light"), [...ground]), `${brand} light`).toBeGreaterThanOrEqual(4.5);
    for (const ground of [[28, 31, 36], [42, 46, 53]] as const) expect(contrast(rgb("--accent-dark"), [...ground]), `${brand} dark`).toBeGreaterThanOrEqual(4.5);
  }
  for (const none of ["url(https://evil.example)", "#abc", "#1234567", "red"]) expect(parse(none), none).toBeUndefined();
});

it("the language is the first one there are texts for", () => {
  expect(language(["", "zh-Hans-CN", "en"])).toBe("zh");
  expect(language(["de-DE", "ar-EG", "en"])).toBe("ar");
  expect(language(["de", "constructor", "__proto__"])).toBe("en");
  expect(faultText(textsFor("en"), "busy")).toContain("Too many");
  expect(faultText(textsFor("en"), "constructor")).toBe(textsFor("en").fault_other);
});

it("every language has every text", () => {
  const en = textsFor("en");
  for (const lang of ["zh", "ar"]) {
    for (const [name, text] of Object.entries(textsFor(lang))) {
      const english = en[name as keyof typeof en];
      expect(text, name).not.toBe(english);
      expect(text.includes("{}"), name).toBe(english.includes("{}"));
    }
  }
});

it("the shop's page is believed only as far as the browser confirms it", () => {
  const shop = "https://shop.example";
  expect(pageOrigin(shop, "", undefined)).toBe(shop);
  expect(pageOrigin(shop, `${shop}/page?x`, undefined)).toBe(shop);
  expect(pageOrigin(shop, "https://evil.example/", undefined)).toBeUndefined();
  expect(pageOrigin(shop, `${shop}/`, "https://evil.example")).toBeUndefined();
  expect(pageOrigin(shop, "", shop)).toBe(shop);
  for (const bad of ["", null, "*", "null", "javascript:alert(1)", "https://shop.example/path", "https://shop.example@evil.example", "file:///etc", "shop.example"]) {
    expect(pageOrigin(bad, "", undefined), String(bad)).toBeUndefined();
  }
});

it("a page's address is taken from the page around us alone, and only if it is its own", () => {
  const heard: unknown[] = [];
  let hear: (event: object) => void = () => {};
  const parent = {};
  vi.stubGlobal("window", { parent, addEventListener: (_: string, listener: typeof hear) => (hear = listener) });
  const shop = "https://shop.example";
  new Bridge(shop, (message) => void heard.push(message));
  const say = (message: object, origin = shop, source: object = parent): void => hear({ origin, source, data: { shopclerk: 1, ...message } });
  const page = (address: unknown): object => ({ t: "page", address, title: "Shoes" });
  say(page(`${shop}/shoes?size=42`));
  say(page("https://hostile.example/"));
  say(page("javascript:alert(1)"));
  say(page(undefined));
  say(page(`${shop}/`), "https://hostile.example");
  say(page(`${shop}/`), shop, {});
  expect(heard).toEqual([expect.objectContaining({ t: "page", address: `${shop}/shoes?size=42`, title: "Shoes" })]);
  vi.unstubAllGlobals();
});

it("messages that are not ours are not taken", () => {
  expect(unwrap(wrap({ t: "open" }))).toMatchObject({ t: "open" });
  for (const other of [null, undefined, 1, "open", {}, { t: "open" }, { shopclerk: 1 }, { shopclerk: 1, t: 2 }, { shopclerk: "1", t: "open" }]) {
    expect(unwrap(other)).toBeUndefined();
  }
});

it("a message has room for 4,000 characters and 8,192 bytes, whichever ends first", () => {
  expect(room("")).toBe(4000);
  expect(room("a".repeat(4000))).toBe(0);
  expect(room("a".repeat(4001))).toBe(-1);
  expect(room("靴".repeat(2730))).toBeGreaterThanOrEqual(0);
  expect(room("靴".repeat(2731))).toBeLessThan(0);
  expect(room("👟".repeat(2049))).toBeLessThan(0);
});

const keepOf = (map: Map<string, string>) =>
  keepIn(() => ({ getItem: (k) => map.get(k) ?? null, setItem: (k, v) => void map.set(k, v), removeItem: (k) => void map.delete(k) }));

function sessions(replies: (() => Response | Promise<Response>)[], map = new Map<string, string>()) {
  const keep = keepOf(map);
  const asked: { token: string | undefined; body: unknown }[] = [];
  const fetcher = ((_: string, init: RequestInit) => {
    const token = (init.headers as Record<string, string>).Authorization;
    asked.push({ token, body: JSON.parse(String(init.body)) });
    return Promise.resolve(replies.shift()!());
  }) as unknown as typeof fetch;
  return { sessions: new Sessions(keep, fetcher, () => 1000), asked };
}
/** A reply that comes when the test wants it. */
function later() {
  let answer: (reply: Response) => void = () => {};
  const promise = new Promise<Response>((done) => (answer = done));
  return { promise, answer: (reply: Response) => answer(reply) };
}
const grant = (token: string, expires_at = 1_000_000) => () => Response.json({ shopper: "s", conversation: "c", token, expires_at });
const refuse = (status: number) => () => Response.json({ error: { code: "token_invalid", message: "" } }, { status });

it("a session is kept, and renewed with the old token before it ends", async () => {
  const { sessions: s, asked } = sessions([grant("one", 15_000), grant("two")]);
  expect((await s.open()).token).toBe("one");
  expect((await s.open()).token).toBe("two");
  expect((await s.open()).token).toBe("two");
  expect(asked.map((ask) => ask.token)).toEqual([undefined, "Bearer one"]);
});

it("a token too old to be renewed begins a new conversation", async () => {
  const { sessions: s, asked } = sessions([grant("one", 0), refuse(401), grant("two")]);
  await s.open();
  expect((await s.open()).token).toBe("two");
  expect(asked.map((ask) => ask.token)).toEqual([undefined, "Bearer one", undefined]);
});

it("a renewal by another tab is taken over", async () => {
  const { sessions: s, asked } = sessions([grant("one"), grant("two")]);
  const old = await s.open();
  await s.renew(old);
  expect((await s.renew(old)).token).toBe("two");
  expect(asked).toHaveLength(2);
});

it("tabs that become somebody at once become one shopper", async () => {
  const shared = new Map<string, string>();
  const { sessions: first } = sessions([grant("first")], shared);
  const slow = later();
  const { sessions: second } = sessions([() => slow.promise], shared);
  const late = second.open();
  await first.open();
  slow.answer(grant("second")());
  expect((await late).token).toBe("first");
  expect(first.current?.token).toBe("first");
});

it("a renewal that is late does not bring back who logged out", async () => {
  const shared = new Map<string, string>();
  const slow = later();
  const { sessions: s, asked } = sessions([grant("one", 0), () => slow.promise, grant("stranger")], shared);
  await s.open();
  const late = s.open();
  forget(keepOf(shared));
  slow.answer(grant("two")());
  expect((await late).token).toBe("stranger");
  expect(asked.map((ask) => ask.token)).toEqual([undefined, "Bearer one", undefined]);
});

it("an identity that is late does not bring back who logged out", async () => {
  const shared = new Map<string, string>();
  const slow = later();
  const { sessions: s } = sessions([grant("one"), () => slow.promise, grant("stranger")], shared);
  await s.open();
  const late = s.identify("a.b.c");
  forget(keepOf(shared));
  slow.answer(grant("ann")());
  expect((await late).token).toBe("stranger");
});

it("a renewal that was refused takes over what another tab got meanwhile", async () => {
  const shared = new Map<string, string>();
  const slow = later();
  const { sessions: first, asked } = sessions([grant("one", 0), () => slow.promise, grant("second")], shared);
  await first.open();
  const late = first.open();
  const { sessions: other } = sessions([refuse(401), grant("first")], shared);
  expect((await other.open()).token).toBe("first");
  slow.answer(refuse(401)());
  expect((await late).token).toBe("first");
  expect(asked).toHaveLength(3);
});

it("an identity goes in the body, with the token of the conversation", async () => {
  const { sessions: s, asked } = sessions([grant("one"), grant("two")]);
  await s.open();
  await s.identify("a.b.c");
  expect(asked[1]).toEqual({ token: "Bearer one", body: { identity: "a.b.c" } });
});

it("a refusal carries its code", async () => {
  const { sessions: s } = sessions([refuse(403)]);
  await expect(s.open()).rejects.toMatchObject(new Refused("token_invalid", 403, 0));
});

it("who logs out leaves nothing of the chat behind, and the look stays", () => {
  const map = new Map<string, string>();
  const keep = keepOf(map);
  keep.set("session", { conversation: "c", token: "secret", verified: true });
  for (const [key, value] of Object.entries({ outbox: [{ text: "my order" }], draft: "my ord", "mail.c": "me@example.com", "look.en": { name: "Shop" } })) keep.set(key, value);
  forget(keep);
  expect([...map.keys()]).toEqual(["shopclerk.look.en"]);
  forget(keep);
});
