// The rail at the side (on a phone: below): where to go, and who is here.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t, tn } from "../i18n";
import { desk, isAdmin, logout, me } from "../state/app";
import { allowNotices, chime } from "../state/notify";
import { notices, sound, theme, type Theme, wantedLang } from "../state/prefs";
import { offered } from "../state/offers";
import { href, type Route, route } from "../state/router";
import { helpOpen } from "../state/signals";
import { Icon, type Shape } from "./icon";
import { Avatar, toast, useAway } from "./kit";
import { Mark } from "./mark";

const PLACES: { to: Route; shape: Shape; name: "inbox" | "numbers" | "training" | "settings" }[] = [
  { to: { page: "inbox", tab: "waiting", filters: {} }, shape: "inbox", name: "inbox" },
  { to: { page: "numbers" }, shape: "chart", name: "numbers" },
  { to: { page: "training", view: "runs" }, shape: "train", name: "training" },
  { to: { page: "settings", section: "" }, shape: "gear", name: "settings" },
];

export function Rail(): JSX.Element {
  const here = desk.value!;
  void here.listed.value;
  const { waiting } = here.list.counts;
  const at = route.value.page === "search" ? "inbox" : route.value.page;
  return (
    <nav class="rail" aria-label={t("nav.label")}>
      <Mark />
      {PLACES.filter(({ name }) => (name !== "training" || isAdmin.value) && (name !== "numbers" || offered("/v1/staff/numbers"))).map(({ to, shape, name }) => (
        <a key={name} href={href(to)} aria-current={at === name ? "page" : undefined}>
          <Icon shape={shape} />
          {t(`nav.${name}`)}
          {name === "inbox" && waiting > 0 && <span class="badge num" aria-label={tn("nav.waiting", waiting)}>{waiting > 99 ? "99+" : waiting}</span>}
        </a>
      ))}
      <span class="spacer" />
      <Me />
    </nav>
  );
}

function Me(): JSX.Element {
  const [open, setOpen] = useState(false);
  const box = useAway<HTMLDivElement>(open ? () => setOpen(false) : undefined);
  const themes: [Theme, Shape][] = [["system", "screen"], ["light", "sun"], ["dark", "moon"]];
  const toggleNotices = async (): Promise<void> => {
    if (!notices.value && !(await allowNotices())) return toast(t("me.notices_refused"));
    notices.value = !notices.value;
  };
  return (
    <div ref={box}>
      <button type="button" class="me" aria-expanded={open} aria-haspopup="true" onClick={() => setOpen(!open)}>
        <Avatar small kind="staff" name={me.value?.display} />
        <span class="cut me-name">{t("me.label")}</span>
      </button>
      {open && (
        <div class="menu me-menu">
          <p class="me-who"><span class="strong cut" dir="auto">{me.value?.display}</span><span class="small dim">{me.value?.name} · {t(`role.${me.value!.role}`)}</span></p>
          <hr />
          <div class="choices" role="group" aria-label={t("me.theme")}>
            {themes.map(([one, shape]) => <button type="button" key={one} aria-pressed={theme.value === one} title={t(`me.theme_${one}`)} aria-label={t(`me.theme_${one}`)} onClick={() => (theme.value = one)}><Icon shape={shape} /></button>)}
          </div>
          <div class="choices" role="group" aria-label={t("me.language")}>
            {([["auto", t("me.lang_auto")], ["en", "English"], ["zh", "中文"]] as const).map(([one, name]) => <button type="button" key={one} lang={one === "auto" ? undefined : one} aria-pressed={wantedLang.value === one} onClick={() => (wantedLang.value = one)}>{name}</button>)}
          </div>
          <hr />
          <button type="button" role="switch" aria-checked={notices.value} onClick={() => void toggleNotices()}><Icon shape="bell" /><span class="grow">{t("me.notices")}</span><span class="switch" aria-hidden="true" /></button>
          <button type="button" role="switch" aria-checked={sound.value} onClick={() => ((sound.value = !sound.value), chime())}><Icon shape="play" /><span class="grow">{t("me.sound")}</span><span class="switch" aria-hidden="true" /></button>
          <hr />
          <button type="button" onClick={() => (setOpen(false), (helpOpen.value = true))}><Icon shape="keyboard" /><span class="grow">{t("help.title")}</span><kbd>?</kbd></button>
          <a href={href({ page: "settings", section: "account" })} onClick={() => setOpen(false)}><Icon shape="lock" />{t("set.account")}</a>
          <button type="button" onClick={() => void logout()}><Icon shape="out" />{t("me.logout")}</button>
        </div>
      )}
    </div>
  );
}
