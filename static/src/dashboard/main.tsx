// The entry of the dashboard at `/dashboard/`.

import "./style/tokens.css";
import "./style/base.css";
import "./style/shell.css";
import "./style/inbox.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./app";
import { fetchWords } from "./i18n";
import { boot, desk, showBadge } from "./state/app";
import { watchOffers } from "./state/offers";
import { applyPrefs, wantedLang } from "./state/prefs";
import { startRouter } from "./state/router";

applyPrefs();
startRouter();
for (const event of ["pageshow", "online", "focus"]) addEventListener(event, () => desk.value?.wake());
addEventListener("offline", () => desk.value?.sleep());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) desk.value?.wake();
});

const root = document.getElementById("app");
if (root) {
  await fetchWords().catch(() => {});
  effect(() => {
    void wantedLang.value;
    void fetchWords().catch(() => {});
  });
  render(<App />, root);
  effect(showBadge);
  watchOffers();
  await boot();
}
