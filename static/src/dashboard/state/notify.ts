// Telling somebody who looks elsewhere: the tab's title and icon, a notification, a sound.

import type { Row } from "../contract";
import { notices, sound } from "./prefs";

/**
 * What is worth a word among rows that changed. A row that was never loaded may have changed in anything, so that only the times
 * tell whether somebody began to wait, wrote or gave it to us after `since`, when we began to listen.
 */
export function news(before: (Row | undefined)[], rows: Row[], { me, since }: { me: string; since: number }): { row: Row; why: "waits" | "wrote" | "given" }[] {
  return rows.flatMap((row, n): { row: Row; why: "waits" | "wrote" | "given" }[] => {
    const old = before[n];
    if (row.owner === "queue" && row.status === "open") {
      const waited = old?.owner === "queue" && old.status === "open";
      if (!waited && (row.waiting_since ?? row.updated_at) >= since) return [{ row, why: "waits" }];
    }
    const mine = row.owner === "staff" && row.staff === me;
    const isNew = old ? old.staff !== me || old.given_by !== row.given_by : row.updated_at >= since;
    if (mine && row.given_by && row.given_by !== me && row.status === "open" && isNew) return [{ row, why: "given" }];
    const unread = old ? old.unread : row.updated_at >= since ? 0 : Infinity;
    return mine && row.preview?.by === "shopper" && row.unread > unread ? [{ row, why: "wrote" }] : [];
  });
}

let audio: AudioContext | undefined;

/** Two soft notes. */
export function chime(): void {
  if (!sound.value) return;
  audio ??= new AudioContext();
  // Before the first click on a page the browser keeps it silent.
  if (audio.state === "suspended") void audio.resume();
  const { currentTime: now, destination } = audio;
  for (const [n, pitch] of [659.25, 880].entries()) {
    const tone = audio.createOscillator();
    const loud = audio.createGain();
    const start = now + n * 0.13;
    tone.frequency.value = pitch;
    loud.gain.setValueAtTime(0, start);
    loud.gain.linearRampToValueAtTime(0.12, start + 0.015);
    loud.gain.exponentialRampToValueAtTime(0.0005, start + 0.5);
    tone.connect(loud).connect(destination);
    tone.start(start);
    tone.stop(start + 0.55);
  }
}

export function notify(title: string, body: string, conv: string, open: () => void): void {
  if (!notices.value || typeof Notification === "undefined" || Notification.permission !== "granted") return;
  const notice = new Notification(title, { body, tag: conv, icon: iconAddress(false) });
  notice.onclick = () => {
    window.focus();
    open();
    notice.close();
  };
}

/** Asks the browser, if it was not asked yet. False if it says no. */
export async function allowNotices(): Promise<boolean> {
  if (typeof Notification === "undefined") return false;
  return (Notification.permission === "default" ? await Notification.requestPermission() : Notification.permission) === "granted";
}

function iconAddress(dot: boolean): string {
  const shape = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="#2b54c9"/><path d="M8.5 12.5a3 3 0 0 1 3-3h9a3 3 0 0 1 3 3v5a3 3 0 0 1-3 3h-5l-4.5 3.6v-3.6a2.9 2.9 0 0 1-2.5-3z" fill="#fff"/>${dot ? '<circle cx="25" cy="7" r="7" fill="#e5a11c" stroke="#fff" stroke-width="2"/>' : ""}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(shape)}`;
}

let shownDot: boolean | undefined;

/** The title and icon of the tab. */
export function badge(waiting: number, title: string): void {
  const text = waiting > 0 ? `(${waiting}) ${title}` : title;
  if (document.title !== text) document.title = text;
  if (shownDot === waiting > 0) return;
  shownDot = waiting > 0;
  document.querySelector<HTMLLinkElement>("link[rel=icon]")?.setAttribute("href", iconAddress(shownDot));
}
