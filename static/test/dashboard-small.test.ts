import { expect, it, vi } from "vitest";

vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {} }));
vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {}, removeItem: () => {} });
const { fillCanned, slashWord } = await import("../src/dashboard/state/drafts");
const { href, parse } = await import("../src/dashboard/state/router");
const { Keys, SHORTCUTS } = await import("../src/dashboard/state/keys");
const { news } = await import("../src/dashboard/state/notify");
const { browserLang } = await import("../src/dashboard/state/prefs");
const { query } = await import("../src/dashboard/api");
const { merge, placeholders, questionIn, ranked, recipeOf, thin, DEFAULTS } = await import("../src/dashboard/training");
const { dayOf, share, span } = await import("../src/dashboard/pages/numbers/days");
const { en } = await import("../src/dashboard/i18n/en");
const { zh } = await import("../src/dashboard/i18n/zh");
const { row } = await import("./dashboard-rows");

it("addresses are read and written the same way; nonsense is the inbox", () => {
  for (const hash of ["#/inbox/mine/a%2Fb?tag=x+y", "#/inbox/all?mood=negative&unread=true", "#/search/c?q=%22a%22&by=note&seq=4", "#/numbers", "#/training", "#/training/new", "#/training/run/r1", "#/settings/keys", "#setup=a.b", "#invite=%2B"]) {
    expect(href(parse(hash))).toBe(hash);
  }
  expect(parse("#/%E0%A4%A/<script>")).toEqual({ page: "inbox", tab: "waiting", filters: {} });
  expect(parse("")).toEqual({ page: "inbox", tab: "waiting", filters: {} });
  expect(parse("#/inbox/all?evil=1&tag=shoes")).toEqual({ page: "inbox", tab: "all", filters: { tag: "shoes" } });
});

it("shortcuts: alone, after g, and never in a field or with a modifier", () => {
  const keys = new Keys();
  const press = (key: string, change = {}, inField = false): string | undefined => keys.press({ key, ctrlKey: false, metaKey: false, altKey: false, isComposing: false, ...change }, inField);
  expect(press("j")).toBe("next");
  expect(press("t")).toBe("take");
  expect(press("g")).toBeUndefined();
  expect(press("t")).toBe("training");
  expect(press("t")).toBe("take");
  expect(press("r", { metaKey: true })).toBeUndefined();
  expect(press("r", {}, true)).toBeUndefined();
  expect(new Set(SHORTCUTS.map((one) => one.keys)).size).toBe(SHORTCUTS.length);
});

it("canned replies are filled; what is not known leaves no hole before a comma", () => {
  const values = { name: "Ada", shop: "Brackenfold", agent: "Mara" };
  expect(fillCanned("Hello {{name}}, {{ agent }} of {{shop}} here. {{other}}", values)).toBe("Hello Ada, Mara of Brackenfold here. {{other}}");
  expect(fillCanned("Hello {{name}}, welcome.", { ...values, name: "" })).toBe("Hello, welcome.");
  expect(fillCanned("{{name}}", { ...values, name: "$& {{shop}}" })).toBe("$& {{shop}}");
});

it("a slash begins a canned reply only at the beginning of a word", () => {
  expect(slashWord("/he", 3)).toEqual({ from: 0, word: "he" });
  expect(slashWord("Well /RET", 9)).toEqual({ from: 5, word: "ret" });
  expect(slashWord("https://x", 9)).toBeUndefined();
  expect(slashWord("and/or", 6)).toBeUndefined();
});

it("news is what a colleague gives me, once, and never what I take", () => {
  const mine = row(1, { owner: "staff", staff: "mara" });
  const given = row(1, { owner: "staff", staff: "mara", given_by: "tom" });
  const told = (before: Parameters<typeof news>[0][number], now: Parameters<typeof news>[1][number]): string[] => news([before], [now], { me: "mara", since: 0 }).map((one) => one.why);
  expect(told(row(1, { owner: "ai" }), given)).toEqual(["given"]);
  expect(told(undefined, given)).toEqual(["given"]);
  expect(told(given, given)).toEqual([]);
  expect(told(row(1, { owner: "staff", staff: "yue" }), given)).toEqual(["given"]);
  expect(told(row(1, { owner: "ai" }), mine)).toEqual([]);
  expect(told(undefined, row(1, { owner: "staff", staff: "yue", given_by: "tom" }))).toEqual([]);
  expect(told(row(1, { owner: "ai" }), { ...given, given_by: "mara" })).toEqual([]);
});

it("news is who begins to wait, and who writes to me", () => {
  const waits = row(1, { owner: "queue", waiting_since: 60 });
  const wrote = row(60, { owner: "staff", staff: "mara", unread: 1, preview: { by: "shopper", text: "x" } });
  const told = (before: Parameters<typeof news>[0], rows: Parameters<typeof news>[1], since = 50): string[] => news(before, rows, { me: "mara", since }).map((one) => one.why);
  expect(told([undefined, undefined], [waits, wrote])).toEqual(["waits", "wrote"]);
  expect(told([row(1), { ...wrote, unread: 0 }], [waits, wrote])).toEqual(["waits", "wrote"]);
  expect(told([waits, wrote], [waits, wrote])).toEqual([]);
  expect(told([undefined], [{ ...wrote, staff: "tom" }])).toEqual([]);
  // Rows that were never loaded: a colleague looked at them, or wrote a note.
  expect(told([undefined, undefined], [waits, wrote], 70)).toEqual([]);
  expect(told([undefined], [{ ...waits, updated_at: 90 }], 70)).toEqual([]);
  // Taken, and handed back to the queue.
  expect(told([{ ...waits, owner: "staff" }], [{ ...waits, waiting_since: 80 }], 70)).toEqual(["waits"]);
});

it("languages, queries, days", () => {
  expect([browserLang(["zh-Hans-CN"]), browserLang(["de", "zh"]), browserLang(["fr"])]).toEqual(["zh", "zh", "en"]);
  expect(query("/x", { a: 1, b: undefined, c: "", d: "y z" })).toBe("/x?a=1&d=y+z");
  expect(span(7, new Date("2026-11-23T12:00:00Z"))).toMatchObject({ from: expect.stringMatching(/^2026-11-1[67]$/) as string, to: expect.stringMatching(/^2026-11-2[34]$/) as string });
  expect(dayOf("1970-01-02")).toBe(86_400);
  expect([share(1, 3), share(0, 0)]).toEqual([0.25, 0]);
});

it("both dictionaries have the same places to fill", () => {
  const places = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();
  for (const key of Object.keys(en) as (keyof typeof en)[]) {
    expect(places(zh[key]), key).toEqual(places(en[key]));
    expect(zh[key].trim(), key).not.toBe("");
  }
});

it("a journal joins in order, thins to means, and keeps what was held out", () => {
  const step = (n: number, more = {}): Parameters<typeof merge>[0][number] => ({ step: n, of: 9, epoch: 0, lr: 1, tokens_per_second: 1, tokens: 1, memory_mib: 1, seconds: 1, ...more });
  expect(merge([step(1)], [step(2), step(1, { loss: 5 })]).map((one) => [one.step, one.loss])).toEqual([[1, 5], [2, undefined]]);
  const thinned = thin([step(1, { loss: 2 }), step(2, { loss: 4, dev_loss: 3 }), step(3, { loss: 1 })], 2);
  expect(thinned).toEqual([{ step: 2, loss: 3, dev: 3 }, { step: 3, loss: 1, dev: null }]);
});

it("a recipe says what was chosen, and placeholders stand out", () => {
  const recipe = recipeOf({ ...DEFAULTS, tags: "Shoes， sizes,", since: "2026-11-01" }) as { data: { store: { tags: string[]; since: number } } };
  expect(recipe.data.store.tags).toEqual(["shoes", "sizes"]);
  expect(new Date(recipe.data.store.since).getDate()).toBe(1);
  expect(recipe.data.store, "nothing is asked of ratings").not.toHaveProperty("rated");
  const chosen = recipeOf({ ...DEFAULTS, rated: "down", answeredBy: "staff, Mara" }) as typeof recipe;
  expect(chosen.data.store).toMatchObject({ rated: "down", answered_by: ["staff", "mara"] });
  expect(placeholders("I am [NAME_2], [x] [EMAIL]")).toEqual([
    { text: "I am ", redacted: false },
    { text: "[NAME_2]", redacted: true },
    { text: ", [x] ", redacted: false },
    { text: "[EMAIL]", redacted: true },
  ]);
});

it("a run looks at its dev part often enough for its patience to run out before it ends", () => {
  const every = (change: Partial<typeof DEFAULTS>, rows?: number): number => (recipeOf({ ...DEFAULTS, ...change }, rows) as { train: { eval_every: number } }).train.eval_every;
  // 1,000 rows are 200 steps an epoch: eight looks, of which the first sets the mark and three without a better one stop it.
  expect(every({}, 1_000)).toBe(50);
  expect(every({ epochs: 20 }, 1_000)).toBe(200);
  expect(every({ patience: 9 }, 1_000)).toBe(20);
  expect([every({}, 3), every({ patience: 0 }, 1_000), every({})]).toEqual([1, 0, 0]);
});

it("a held-out question is shown without the facts around it", () => {
  expect(questionIn("Use this information.\n\nInformation:\nGifts: we wrap.\n\nQuestion: Do you wrap?\n(Answer in German.)\n")).toBe("Do you wrap?\n(Answer in German.)");
  expect(questionIn(" Hello? ")).toBe("Hello?");
  expect(questionIn("Question: ")).toBe("Question:");
});

it("text becomes nodes by Preact alone, and the mock is in nothing but itself", () => {
  const sources = import.meta.glob<string>("../src/dashboard/**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true });
  expect(Object.keys(sources).length).toBeGreaterThan(60);
  for (const [name, source] of Object.entries(sources)) {
    expect(source, name).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|DOMParser|\beval\(|new Function|javascript:/);
    if (!name.includes("/mock/")) expect(source, name).not.toMatch(/from "[./]*mock/);
    expect(source.split("\n").length, `${name} is too long`).toBeLessThan(400);
  }
});

it("of a search the kept trial is first, then the others by loss, the given up and the lost", () => {
  const trial = (number: number, dev_loss: number | null, more = {}) => ({ number, values: {}, dev_loss, pruned: false, seconds: 1, ...more });
  const trials = [trial(0, 1.7), trial(1, null, { fault: "no number" }), trial(2, 1.4, { pruned: true }), trial(3, 1.5), trial(4, null), trial(5, 1.5)];
  expect(ranked(trials).map((one) => one.number)).toEqual([3, 5, 0, 4, 2, 1]);
});
