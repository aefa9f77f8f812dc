// The script a shop embeds: a button, and our chat in a frame of our own origin.
//
// It must never harm the page it is a guest of: no globals but one, no styles that leak, nothing that throws, nothing
// loaded before it is wanted. All styles live in a shadow tree, so the shop's own rules and ours do not meet.

import { type FrameSays, type PageSays, unwrap, wrap } from "../shared";
import { STYLE } from "./style";

const NAMES: Record<string, [open: string, close: string, unread: string]> = {
  en: ["Open chat", "Close chat", "unread"],
  zh: ["打开聊天", "关闭聊天", "条未读"],
  ar: ["فتح الدردشة", "إغلاق الدردشة", "غير مقروءة"],
};
const PHONE = "(max-width: 480px)";
/** The shop's own page comes first. */
const LATER_MS = 1_500;
/** A shop that draws its pages itself changes its address without a word. */
const LOOK_MS = 2_000;
const BRAND = /^#[0-9a-f]{6}$/i;

function start(script: HTMLScriptElement): void {
  const server = new URL(script.src).origin;
  const lang = (script.dataset.lang || document.documentElement.lang || navigator.language).slice(0, 35);
  const names = NAMES[lang.slice(0, 2).toLowerCase()] ?? NAMES.en!;
  let identity = script.dataset.identity;
  let frame: HTMLIFrameElement | undefined;
  /** The frame that listens already. */
  let ready: HTMLIFrameElement | undefined;
  let opened = false;
  let unread = 0;
  let overflow = "";

  const host = document.createElement("div");
  host.id = "shopclerk";
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  shadow.adoptedStyleSheets = [sheet];
  host.dir = lang.toLowerCase().startsWith("ar") ? "rtl" : "ltr";

  const panel = document.createElement("div");
  panel.className = "panel";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "launcher";
  button.append(drawing("talk", "M20 11.5c0 4-3.6 7-8 7-1 0-2-.2-2.9-.5L4.5 19.5l1.2-3.6C4.6 14.7 4 13.2 4 11.5c0-4 3.6-7 8-7s8 3 8 7z"), drawing("away", "M6 9.5l6 6 6-6"));
  const badge = document.createElement("span");
  badge.className = "badge";
  badge.hidden = true;
  badge.setAttribute("aria-hidden", "true");
  button.append(badge);
  shadow.append(panel, button);

  const wear = (color = ""): void => {
    if (!BRAND.test(color)) return;
    host.style.setProperty("--brand", color);
    host.style.setProperty("--on-brand", light(color) ? "#000" : "#fff");
    remember("color", color);
  };
  const say = (message: PageSays): void => {
    ready?.contentWindow?.postMessage(wrap(message), server);
  };
  /** Tells the frame where the shopper is: without what is behind `#`, which is nobody's business. */
  let told = "";
  const where = (): void => {
    const address = location.href.split("#")[0]!;
    if (told !== (told = address + document.title)) say({ t: "page", address, title: document.title });
  };
  const name = (): void => {
    button.setAttribute("aria-expanded", String(opened));
    const count = unread && !opened ? ` (${unread} ${names[2]})` : "";
    button.setAttribute("aria-label", (opened ? names[1] : names[0]) + count);
    badge.hidden = !unread || opened;
    badge.textContent = unread > 9 ? "9+" : String(unread);
  };
  const load = (): void => {
    if (frame) return;
    frame = document.createElement("iframe");
    frame.title = names[0];
    frame.src = `${server}/widget/?origin=${encodeURIComponent(location.origin)}&lang=${encodeURIComponent(lang)}${identity ? "&vouched" : ""}${recall("out") ? "&out" : ""}`;
    panel.append(frame);
  };
  const turn = (to: boolean, focus: boolean): void => {
    if (to === opened) return;
    opened = to;
    if (to) load();
    // A forced layout, so that the first opening moves too.
    void panel.offsetWidth;
    panel.classList.toggle("open", to);
    button.classList.toggle("open", to);
    const root = document.documentElement.style;
    if (to && matchMedia(PHONE).matches) {
      overflow = root.overflow;
      root.overflow = "hidden";
    } else if (!to) root.overflow = overflow;
    remember("used", "1");
    remember("open", to ? "1" : "", true);
    name();
    say({ t: to ? "open" : "closed" });
    if (!focus) return;
    if (to) frame?.focus();
    else button.focus();
  };

  button.addEventListener("click", () => turn(!opened, true));
  // Before the click the pointer comes near: a good moment to load.
  button.addEventListener("pointerenter", load, { once: true });
  host.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && opened) turn(false, true);
  });
  window.addEventListener("message", (event) => {
    if (event.origin !== server || !frame || event.source !== frame.contentWindow) return;
    const message = unwrap<FrameSays>(event.data);
    if (!message) return;
    if (message.t === "ready") {
      ready = frame;
      told = "";
      // A frame that was not told has forgotten nothing.
      if (frame.src.endsWith("&out")) remember("out", "");
      if (identity) say({ t: "identify", jwt: identity });
      say({ t: opened ? "open" : "closed" });
      where();
      setInterval(where, LOOK_MS);
    } else if (message.t === "close") turn(false, true);
    else if (message.t === "unread") {
      unread = +(message.count as number);
      name();
    } else if (message.t === "look") {
      wear(String(message.color));
      frame.title = message.title as string;
    }
  });

  // Logged out in another tab: who opens the chat here is nobody whom this page was told of.
  window.addEventListener("storage", (event) => {
    if (event.key === "shopclerk.out" && event.newValue) say({ t: "identify", jwt: (identity = "") });
  });

  wear(script.dataset.color ?? recall("color"));
  name();
  (document.body ?? document.documentElement).append(host);
  // Who chatted before hears of answers; on a phone the chat would hide the page they went to.
  if (recall("open", true) && !matchMedia(PHONE).matches) turn(true, false);
  else if (recall("used")) setTimeout(load, LATER_MS);

  Object.assign(window, {
    Shopclerk: {
      open: () => turn(true, true),
      close: () => turn(false, true),
      identify: (jwt: unknown) => {
        if (typeof jwt !== "string") return;
        identity = jwt;
        say({ t: "identify", jwt });
      },
      logout: () => {
        // If the page goes away before the new frame has begun, the next page's frame hears of it.
        remember("out", "1");
        frame?.remove();
        ready = frame = identity = undefined;
        load();
      },
    },
  });
}

function drawing(name: string, path: string): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", name);
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** True for colours on which dark text reads better: less than 4.5 to 1 against white. */
function light(color: string): boolean {
  const [r, g, b] = [1, 3, 5].map((i) => (parseInt(color.slice(i, i + 2), 16) / 255) ** 2.2) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.183;
}

function remember(key: string, value: string, session = false): void {
  try {
    (session ? sessionStorage : localStorage).setItem(`shopclerk.${key}`, value);
  } catch {
    // A page without storage forgets; nothing else happens.
  }
}

function recall(key: string, session = false): string | undefined {
  try {
    return (session ? sessionStorage : localStorage).getItem(`shopclerk.${key}`) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Whatever goes wrong is ours alone: the shop's page goes on. */
function safely(task: () => void): void {
  try {
    task();
  } catch (error) {
    console.warn("Shopclerk: the chat could not start.", error);
  }
}

safely(() => {
  const script = document.currentScript;
  if (!(script instanceof HTMLScriptElement) || "Shopclerk" in window) return;
  if (document.body) start(script);
  else document.addEventListener("DOMContentLoaded", () => safely(() => start(script)), { once: true });
});
