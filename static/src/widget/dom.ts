// Building the page without HTML text: no `innerHTML` anywhere, so no text can become markup.

type Child = Node | string | false;

/** An element. Props that start with `on` are listeners; `class`, ARIA and the rest are attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Record<string, string | boolean | EventListener> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== false));
  return element;
}

/** A button that does `act`. */
export function button(look: string, act: () => void, props: Record<string, string | boolean> = {}, ...children: Child[]): HTMLButtonElement {
  return h("button", { type: "button", class: look, onclick: act, ...props }, ...children);
}

/** A button that is only a drawing, with a name for those who cannot see it. */
export function iconButton(look: string, shape: Shape, name: string, act: () => void, props: Record<string, string | boolean> = {}): HTMLButtonElement {
  return button(look, act, { "aria-label": name, title: name, ...props }, icon(shape));
}

const SHAPES = {
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  up: "M7 11v9M7 11l4-7a2 2 0 0 1 2 2v4h5a2 2 0 0 1 2 2.3l-1 6A2 2 0 0 1 17 20H7M7 11H4v9h3",
  retry: "M4 12a8 8 0 0 1 14-5.3L20 9M20 4v5h-5M20 12a8 8 0 0 1-14 5.3L4 15M4 20v-5h5",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.5 20a7.5 7.5 0 0 1 15 0",
  go: "M9 6l6 6-6 6",
} as const;

/** Two shapes are another one upside down; the style sheet turns them. */
const TURNED = { down: "up", latest: "send" } as const;

export type Shape = keyof typeof SHAPES | keyof typeof TURNED;

/** A line drawing; the button around it has the name. */
export function icon(shape: Shape): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${shape}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", SHAPES[shape in TURNED ? TURNED[shape as keyof typeof TURNED] : (shape as keyof typeof SHAPES)]);
  svg.append(path);
  return svg;
}

/** Shows the element, or not. */
export function show(element: HTMLElement, shown: boolean): void {
  element.hidden = !shown;
}

/** Sets the text only if it changes, so that a screen reader is not told twice. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
