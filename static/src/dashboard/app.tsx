// The page as a whole: who may see it, the rail, and the page that the address names.

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { lang, t } from "./i18n";
import { desk, enter, isAdmin, me, unreachable } from "./state/app";
import { type Act, Keys } from "./state/keys";
import { offered } from "./state/offers";
import { go, route } from "./state/router";
import { helpOpen, panelOpen, wantComposer, wantSearch, wantSuggestion, wantTags } from "./state/signals";
import { Help } from "./ui/help";
import { Lazy } from "./ui/lazy";
import { Button, Spin, Toasts } from "./ui/kit";
import { Rail } from "./ui/rail";
import { Login } from "./pages/enter/login";
import { OneTime } from "./pages/enter/onetime";
import { backFrom, Inbox, step } from "./pages/inbox";
import { reopen, resolve, takeOver, wish } from "./pages/inbox/conversation";

const numbers = (): Promise<{ default: () => JSX.Element }> => import("./pages/numbers");
const training = (): Promise<{ default: () => JSX.Element }> => import("./pages/training");
const settings = (): Promise<{ default: () => JSX.Element }> => import("./pages/settings");

export function App(): JSX.Element {
  return <div key={lang.value} class="app"><Door /><Toasts /></div>;
}

/** Nobody comes in without a login, except by a one-time link. */
function Door(): JSX.Element {
  const at = route.value;
  if (at.page === "setup" || at.page === "invite") return <OneTime token={at.token} key={at.token} />;
  if (unreachable.value) return <div class="enter"><div class="stack"><p role="alert">{t("fault.offline")}</p><Button onClick={() => void enter()}>{t("ui.again")}</Button></div></div>;
  if (me.value === undefined) return <div class="enter"><Spin /></div>;
  return me.value === null || !desk.value ? <Login /> : <Shell />;
}

function Shell(): JSX.Element {
  const at = route.value;
  useEffect(() => {
    const keys = new Keys();
    const press = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement;
      const inField = target.closest?.("input, textarea, select, [contenteditable], dialog, [role=listbox]") !== null;
      const act = keys.press(event, inField || document.querySelector("dialog[open]") !== null);
      if (act && perform(act, target)) event.preventDefault();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
  const deep = (at.page === "inbox" || at.page === "search") && at.conv !== undefined;
  return (
    <div class={`shell${deep ? " deep" : ""}`}>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>{t("ui.skip")}</a>
      <LinkBar />
      <Rail />
      <main class="main" id="main" tabIndex={-1}>
        {at.page === "inbox" || at.page === "search" ? <Inbox at={at} />
          : at.page === "numbers" ? <Lazy load={numbers} key="numbers" />
          : at.page === "training" && isAdmin.value ? <Lazy load={training} key="training" />
          : <Lazy load={settings} key="settings" />}
      </main>
      {helpOpen.value && <Help />}
    </div>
  );
}

/** Says when the connection is gone; nothing when it is there. */
function LinkBar(): JSX.Element | null {
  const state = desk.value?.link.value;
  if (state !== "lost" && state !== "closed") return null;
  return (
    <div class="bar warn" role="status">
      <span class="grow">{state === "lost" ? t("link.lost") : t("link.closed")}</span>
      <Button look="tiny" onClick={() => (state === "lost" ? desk.value?.start() : location.reload())}>{t("link.now")}</Button>
    </div>
  );
}

/** Does what a shortcut asks for; false if it means nothing here. */
function perform(act: Act, target: HTMLElement): boolean {
  const at = route.value;
  const here = desk.value;
  const thread = here?.open.value?.thread;
  switch (act) {
    case "help":
      helpOpen.value = true;
      return true;
    case "inbox":
      go({ page: "inbox", tab: "waiting", filters: {} });
      return true;
    case "numbers":
    case "settings":
      go(act === "numbers" ? { page: "numbers" } : { page: "settings", section: "" });
      return true;
    case "training":
      if (isAdmin.value) go({ page: "training", view: "runs" });
      return isAdmin.value;
    case "search":
      if (!offered("/v1/staff/search")) return false;
      if (at.page !== "inbox" && at.page !== "search") go({ page: "inbox", tab: "all", filters: {} });
      wantSearch.value++;
      return true;
    default:
      break;
  }
  if (at.page !== "inbox" && at.page !== "search") return false;
  if (act === "next" || act === "previous") {
    const to = step(act === "next" ? 1 : -1);
    if (to) go(to);
    return to !== undefined;
  }
  if (act === "open") {
    // Enter on a link or button does what that does.
    if (target.closest("a, button, summary")) return false;
    const to = at.conv === undefined ? step(1) : undefined;
    if (to) go(to);
    wantComposer.value = { mode: "reply" };
    return true;
  }
  if (act === "back") {
    if (at.conv === undefined) return false;
    location.hash = backFrom(at);
    return true;
  }
  // The one that was left may still be on the screen.
  if (!thread || thread.conv !== at.conv) return false;
  if (act === "reply" || act === "note") wantComposer.value = { mode: act };
  else if (act === "take") takeOver();
  else if (act === "release") wish({ t: "release", conv: thread.conv });
  else if (act === "resolve") resolve();
  else if (act === "reopen") reopen();
  else if (act === "suggest") wantSuggestion.value++;
  else if (act === "panel") panelOpen.value = !panelOpen.value;
  else if (act === "tag") {
    panelOpen.value = true;
    wantTags.value++;
  } else return false;
  return true;
}
