// Settings: one section at a time.

import "../../style/pages.css";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t, type Word } from "../../i18n";
import { isAdmin } from "../../state/app";
import { href, route } from "../../state/router";
import { Icon, type Shape } from "../../ui/icon";
import { Account } from "./account";
import { Agents } from "./agents";
import { Audit } from "./audit";
import { Backup } from "./backup";
import { CannedReplies } from "./canned";
import { Desk } from "./desk";
import { Keys } from "./keys";
import { Privacy } from "./privacy";
import { Shop } from "./shop";
import { Webhooks } from "./webhooks";
import { Widget } from "./widget";

const SECTIONS: { name: string; word: Word; shape: Shape; admin: "admin" | "all"; Draw: () => JSX.Element }[] = [
  { name: "account", word: "set.account", shape: "lock", admin: "all", Draw: Account },
  { name: "canned", word: "set.canned", shape: "reply", admin: "all", Draw: CannedReplies },
  { name: "widget", word: "set.widget", shape: "screen", admin: "all", Draw: Widget },
  { name: "shop", word: "set.shop", shape: "tag", admin: "admin", Draw: Shop },
  { name: "desk", word: "set.desk", shape: "clock", admin: "admin", Draw: Desk },
  { name: "privacy", word: "set.privacy", shape: "eye", admin: "admin", Draw: Privacy },
  { name: "agents", word: "set.agents", shape: "people", admin: "admin", Draw: Agents },
  { name: "keys", word: "set.keys", shape: "key", admin: "admin", Draw: Keys },
  { name: "webhooks", word: "set.webhooks", shape: "bell", admin: "admin", Draw: Webhooks },
  { name: "backup", word: "set.backup", shape: "download", admin: "admin", Draw: Backup },
  { name: "audit", word: "set.audit", shape: "file", admin: "admin", Draw: Audit },
];

export default function SettingsPage(): JSX.Element {
  const at = route.value;
  const mine = SECTIONS.filter((one) => one.admin === "all" || isAdmin.value);
  const section = mine.find((one) => at.page === "settings" && one.name === at.section) ?? mine[0]!;
  const nav = useRef<HTMLElement>(null);
  useEffect(() => nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [section.name]);
  return (
    <div class="page">
      <div class="settings">
        <nav ref={nav} aria-label={t("nav.settings")}>
          <h1>{t("nav.settings")}</h1>
          {mine.map((one) => <a key={one.name} href={href({ page: "settings", section: one.name })} aria-current={one === section ? "page" : undefined}><Icon shape={one.shape} />{t(one.word)}</a>)}
        </nav>
        <div key={section.name}><section.Draw /></div>
      </div>
    </div>
  );
}

export function Card({ title, lead, side, children }: { title: string; lead?: ComponentChildren; side?: ComponentChildren; children: ComponentChildren }): JSX.Element {
  return (
    <section class="card">
      <header><h2>{title}</h2>{side}</header>
      <div class="in">
        {lead && <p class="lead">{lead}</p>}
        {children}
      </div>
    </section>
  );
}
