import { expect, test } from "vitest";
import type { Look, ShopView } from "../src/dashboard/contract";
import { formOf, linesOf, lookIn, shortens, withForm, wordsForm, wordsOf } from "../src/dashboard/state/shop";

const view: ShopView = {
  set: { origins: [], words: { name: "", assistant: "", about: "", tone: "", language: "", email: "" }, look: { color: "", title: "", greeting: { zh: "您好" }, suggestions: {} } },
  files: { retention_days: 0, origins: [], color: "#2f6b4f", title: "Wren", greeting: { en: "Hello", de: "Hallo" }, suggestions: { en: ["Where?"] }, words: { name: "Shop", assistant: "Wren", about: "Sells shoes.", tone: "brief", language: "en", email: "", facts: ["One.", "Two."] } },
};
const served = { name: "Shop", assistant: "Wren", color: "#2f6b4f", greeting: "Hello", suggestions: [], hours: "", email: "", language: "en" } satisfies Look;

test("only a shorter time erases something at once", () => {
  expect([shortens(0, 30), shortens(60, 30), shortens(30, 60), shortens(30, 30), shortens(30, 0), shortens(0, 0)]).toEqual([true, true, false, false, false, false]);
});

test("a form changes one language, and what is empty is left to the files", () => {
  const { look } = view.set;
  const set = withForm(look, "en", { color: "#123456", title: " Mia ", greeting: "Hi ", suggestions: "One\n\n Two \n3\n4\n5\n6\n7" });
  expect(set).toEqual({ color: "#123456", title: "Mia", greeting: { zh: "您好", en: "Hi" }, suggestions: { en: ["One", "Two", "3", "4", "5", "6"] } });
  expect(formOf(set, "en")).toEqual({ color: "#123456", title: "Mia", greeting: "Hi", suggestions: "One\nTwo\n3\n4\n5\n6" });
  expect(withForm(set, "en", formOf(look, "en"))).toEqual(look);
  expect(linesOf(" \na\n")).toEqual(["a"]);
});

test("the preview shows what a shopper of that language would get", () => {
  const { look } = view.set;
  expect(lookIn(view, look, "zh", served)).toMatchObject({ greeting: "您好", suggestions: ["Where?"], color: "#2f6b4f", assistant: "Wren" });
  expect(lookIn(view, { ...look, color: "#000000", title: "Mia", greeting: {} }, "ar", served)).toMatchObject({ greeting: "Hello", color: "#000000", assistant: "Mia" });
});

test("the shop's words: facts as in the file are left to the file, an emptied list is none at all", () => {
  const form = wordsForm(view);
  expect(form).toEqual({ name: "", assistant: "", about: "", tone: "", language: "", email: "", facts: "One.\nTwo." });
  expect(wordsOf(form, view)).toEqual(view.set.words);
  expect(wordsOf({ ...form, assistant: " Mia ", facts: "One.\n\n Two. " }, view)).toEqual({ ...view.set.words, assistant: "Mia" });
  const own = wordsOf({ ...form, facts: " \nThree." }, view);
  expect(own.facts).toEqual(["Three."]);
  expect(wordsForm({ ...view, set: { ...view.set, words: own } }).facts).toBe("Three.");
  expect(wordsOf({ ...form, facts: " " }, view).facts).toEqual([]);
  // The widget's head has a name of its own; without one it is the assistant's.
  const mia = { ...view, set: { ...view.set, words: { ...view.set.words, assistant: "Mia" } } };
  expect(lookIn(mia, view.set.look, "en", served).assistant).toBe("Mia");
});
