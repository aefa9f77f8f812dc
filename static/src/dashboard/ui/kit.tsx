// Small parts that every page uses.

import { Component, type ComponentChildren, type ComponentType, type JSX } from "preact";
import { signal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { t } from "../i18n";
import { Icon, type Shape } from "./icon";

/** Draws again only if a prop is another object. */
export function memo<P extends object>(Draw: ComponentType<P>): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const keys = new Set([...Object.keys(next), ...Object.keys(this.props)]) as Set<keyof P>;
      return [...keys].some((key) => next[key] !== (this.props as P)[key]);
    }
    override render(): JSX.Element {
      return <Draw {...(this.props as P)} />;
    }
  };
}

/** Now, to half a minute: what shows ages looks at it. */
export const minute = signal(Date.now());
setInterval(() => {
  minute.value = Date.now();
}, 30_000);

type ButtonProps = { icon?: Shape; label?: string; tip?: string; look?: string; children?: ComponentChildren } & Omit<JSX.IntrinsicElements["button"], "icon" | "label" | "ref" | "type"> & { type?: "button" | "submit" };

/** A button. With `label` it is only a drawing, named for those who cannot see it. */
export function Button({ icon, label, tip, look = "", children, type = "button", ...rest }: ButtonProps): JSX.Element {
  return (
    <button type={type} class={`btn ${look}${label ? " square" : ""}`} aria-label={label} title={tip ?? label} {...rest}>
      {icon && <Icon shape={icon} />}
      {children}
    </button>
  );
}

export function Spin(): JSX.Element {
  return <span class="spin" role="img" aria-label={t("ui.loading")} />;
}

export function Empty({ icon, title, children }: { icon: Shape; title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <Icon shape={icon} />
      <h2>{title}</h2>
      {children && <div class="small">{children}</div>}
    </div>
  );
}

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  wrong?: string | undefined;
  children: (ids: { id: string; "aria-describedby": string | undefined; "aria-invalid": "true" | undefined }) => ComponentChildren;
}

/** A field with its name, a hint and what is wrong with it. */
export function Field({ label, hint, wrong, children }: FieldProps): JSX.Element {
  const id = useId();
  const told = wrong || hint ? `${id}-told` : undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": told, "aria-invalid": wrong ? "true" : undefined })}
      {wrong ? <p class="wrong" id={told} role="alert">{wrong}</p> : hint ? <p class="hint" id={told}>{hint}</p> : null}
    </div>
  );
}

/** Two letters of a name; a plain sign for strangers. */
export function initials(name: string | undefined): string {
  const words = (name ?? "").trim().split(/\s+/).filter(Boolean);
  if (!words.length) return "–";
  const letters = words.length > 1 ? [words[0]!, words.at(-1)!].map((word) => [...word][0]) : [...words[0]!].slice(0, /^[\u4e00-\u9fff]/.test(words[0]!) ? 1 : 2);
  return letters.join("").toUpperCase();
}

export function Avatar({ name, kind = "", small }: { name?: string | undefined; kind?: "staff" | "ai" | ""; small?: boolean }): JSX.Element {
  return (
    <span class={`avatar ${kind} ${small ? "small-avatar" : ""}`} aria-hidden="true">
      {kind === "ai" ? <Icon shape="spark" /> : name ? initials(name) : <Icon shape="person" />}
    </span>
  );
}

interface SheetProps {
  title: string;
  onClose: () => void;
  footer?: ComponentChildren;
  children: ComponentChildren;
}

/** A dialog over everything; Escape and a click beside it close it. */
export function Sheet({ title, onClose, footer, children }: SheetProps): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    return () => before instanceof HTMLElement && before.focus();
  }, []);
  return (
    <dialog ref={box} aria-labelledby={id} onCancel={(event) => (event.preventDefault(), onClose())} onMouseDown={(event) => event.target === box.current && onClose()}>
      <div class="sheet">
        <header>
          <h2 id={id}>{title}</h2>
          <Button look="plain tiny" icon="close" label={t("ui.close")} onClick={onClose} />
        </header>
        <div class="body">{children}</div>
        {footer && <footer>{footer}</footer>}
      </div>
    </dialog>
  );
}

/** Calls `act` on a click outside the element and on Escape; listens for nothing while there is nothing to close. */
export function useAway<E extends HTMLElement>(act: (() => void) | undefined): { current: E | null } {
  const box = useRef<E>(null);
  useEffect(() => {
    if (!act) return undefined;
    const press = (event: MouseEvent): void => {
      if (box.current && !box.current.contains(event.target as Node)) act();
    };
    const key = (event: KeyboardEvent): void => {
      if (event.key === "Escape") {
        event.stopPropagation();
        act();
      }
    };
    document.addEventListener("mousedown", press);
    document.addEventListener("keydown", key, true);
    return () => {
      document.removeEventListener("mousedown", press);
      document.removeEventListener("keydown", key, true);
    };
  });
  return box;
}

// Toasts

interface Toast {
  id: number;
  text: string;
  act?: { label: string; run: () => void };
}

const toasts = signal<Toast[]>([]);
let count = 0;

/** Says something for a few seconds. */
export function toast(text: string, act?: Toast["act"]): void {
  const id = ++count;
  toasts.value = [...toasts.value.filter((one) => one.text !== text), { id, text, ...(act && { act }) }].slice(-3);
  setTimeout(() => {
    toasts.value = toasts.value.filter((one) => one.id !== id);
  }, 6_000);
}

export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((one) => (
        <div class="toast" key={one.id}>
          <span>{one.text}</span>
          {one.act && <button type="button" onClick={one.act.run}>{one.act.label}</button>}
        </div>
      ))}
    </div>
  );
}
