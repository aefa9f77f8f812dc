// Who is here, and what everybody on the page shares.

import { computed, signal } from "@preact/signals";
import type { Agent, Canned, Door, Me, RowShopper } from "../contract";
import { Fault, get, post, query, whenSignedOut } from "../api";
import { t, known } from "../i18n";
import { toast } from "../ui/kit";
import { uuidv7 } from "../../widget/ids";
import { Refused, type Session } from "../../widget/session";
import { Desk } from "./desk";
import { badge, chime, news, notify } from "./notify";
import { offered, offers } from "./offers";
import { forget, keep } from "./prefs";
import { Refusal } from "./suggest";
import { go, route } from "./router";
import { tidy } from "./list";

/** undefined: not known yet; null: nobody is logged in. */
export const me = signal<Me | null | undefined>(undefined);
export const door = signal<Door | undefined>(undefined);
/** The server could not be asked who we are. */
export const unreachable = signal(false);
export const people = signal<Agent[]>([]);
export const canned = signal<Canned[]>([]);
export const desk = signal<Desk | undefined>(undefined);
export const isAdmin = computed(() => me.value?.role === "admin");

/** Names that nobody of the team had when we looked. */
const strangers = new Set<string>();

/** A colleague's name as people say it. */
export function nameOf(staff: string | undefined): string {
  if (!staff) return "";
  const known = people.value.find((one) => one.name === staff)?.display ?? (staff === me.value?.name ? me.value.display : undefined);
  if (known === undefined && !strangers.has(staff)) {
    // Somebody who came after us, or is gone: asked for once.
    strangers.add(staff);
    setTimeout(() => void readPeople(), 0);
  }
  return known ?? staff;
}

export const shopperName = (shopper: RowShopper): string => shopper.name || shopper.email || t("inbox.visitor", { id: shopper.id?.slice(-4) ?? "" }).trim();

/** Shows what went wrong in plain words. */
export function complain(fault: unknown): void {
  toast(wordsOf(fault));
}

export function wordsOf(fault: unknown): string {
  if (fault instanceof Refusal) return known(`fault.${fault.code}`) ?? t("fault.other");
  if (!(fault instanceof Fault)) return t("fault.other");
  const seconds = fault.retryAfter ?? 0;
  return known(`fault.${fault.code}`)?.replace("{s}", String(seconds)) ?? (fault.message || t("fault.other"));
}

/** The page is about to go: whoever types into it now would lose that. */
let leaving = false;

export async function boot(): Promise<void> {
  whenSignedOut(() => {
    if (me.value && !leaving) me.value = null;
  });
  await enter();
}

/** Asks who we are. */
export async function enter(): Promise<void> {
  unreachable.value = false;
  try {
    signedIn(await get<Me>("/v1/staff/me"));
  } catch (fault) {
    if (fault instanceof Fault && fault.status === 401) {
      me.value = null;
      door.value = await get<Door>("/v1/staff/door").catch(() => undefined);
    } else unreachable.value = true;
  }
}

export function signedIn(who: Me): void {
  const before = desk.value;
  me.value = who;
  if (before?.me === who.name && before.link.value !== "closed") return before.wake();
  const fresh = makeDesk(who.name);
  desk.value = fresh;
  fresh.start();
  void readPeople();
  void readCanned();
  void get<Door>("/v1/staff/door").then((one) => (door.value = one), () => {});
}

export async function readPeople(): Promise<void> {
  people.value = await get<{ agents: Agent[] }>("/v1/staff/agents").then((one) => one.agents, () => people.value);
}

export async function readCanned(): Promise<void> {
  canned.value = await get<{ canned: Canned[] }>("/v1/staff/canned").then((one) => one.canned, () => canned.value);
}

export async function logout(): Promise<void> {
  leaving = true;
  await post("/v1/staff/logout").catch(() => {});
  forget();
  location.hash = "";
  location.reload();
}

async function ticket(): Promise<Session> {
  try {
    const { ticket: token, expires_at } = await post<{ ticket: string; expires_at: number }>("/v1/staff/ticket");
    return { shopper: "", conversation: "", token, expires_at };
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    // 403 tells the link to stop: without a login there is nothing to connect.
    throw new Refused(fault.code, fault.status === 401 ? 403 : fault.status || 599, fault.retryAfter);
  }
}

function makeDesk(name: string): Desk {
  const made: Desk = new Desk({
    me: name,
    keep,
    ticket,
    connect: ([protocol, token]) => new WebSocket(`${location.origin.replace(/^http/, "ws")}/v1/ws`, [protocol!, token!.replace(/^token\./, "ticket.")]),
    page: (view, after) => get(query("/v1/staff/conversations", { ...tidy(view), unread: view.unread ? "true" : undefined, after, limit: 100 })),
    detail: async (conv) => (!offers.value || offered("/v1/staff/conversations/{conv}") ? get(`/v1/staff/conversations/${encodeURIComponent(conv)}`) : undefined),
    events: (conv, before) => get(query(`/v1/staff/conversations/${encodeURIComponent(conv)}/events`, { before, limit: 200 })),
    newId: () => uuidv7(),
    now: Date.now,
    random: Math.random,
    onRows: (before, rows, since) => {
      const open = made.open.value?.thread.conv;
      // Nothing was said, and still it changed: who the shopper is, or where.
      if (rows.some((row, n) => row.conv === open && (before[n] ?? made.detail.value?.row)?.seq === row.seq)) void made.refresh();
      for (const { row, why } of news(before, rows, { me: name, since })) {
        const looked = !document.hidden && open === row.conv;
        if (looked) continue;
        chime();
        const show = (): void => go({ page: "inbox", tab: why === "waits" ? "waiting" : "mine", conv: row.conv, filters: {} });
        const words = t(`notice.${why}`, { name: shopperName(row.shopper), by: nameOf(row.given_by) });
        if (document.hidden) notify(words, row.preview?.text ?? "", row.conv, show);
        // Who waits and who wrote the list shows; what a colleague does here is worth a word.
        else if (why === "given") toast(words, { label: t("notice.open"), run: show });
      }
    },
    onFault: (code, message) => complain(new Fault(code, 400, message)),
    onClosed: () => void enter(),
  });
  return made;
}

/** The tab's title follows what waits and where we are. */
export function showBadge(): void {
  const counts = desk.value?.listed.value !== undefined ? desk.value.list.counts : undefined;
  const page = route.value.page;
  const where = page === "numbers" || page === "training" || page === "settings" ? t(`nav.${page}`) : t("nav.inbox");
  badge(me.value && counts ? counts.waiting : 0, `${where} · Shopclerk`);
}
