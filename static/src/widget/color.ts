// A brand colour of any lightness becomes colours that can be read: WCAG 2 contrast of at least 4.5.

type Rgb = [number, number, number];

const READABLE = 4.5;
const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];
/** The style sheet's page and bubble, light and dark. */
const LIGHT: Rgb[] = [WHITE, [242, 243, 245]];
const DARK: Rgb[] = [
  [28, 31, 36],
  [42, 46, 53],
];

/** `#rrggbb`, as the server gives it; undefined for anything else, so that a colour can never carry more than a colour. */
export function parse(color: string): Rgb | undefined {
  return /^#[0-9a-f]{6}$/i.test(color) ? ([1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16)) as Rgb) : undefined;
}

/** Relative luminance, WCAG 2. */
function luminance(color: Rgb): number {
  const [r, g, b] = color.map((part) => {
    const c = part / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast ratio from 1 to 21, WCAG 2. */
export function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function mix(a: Rgb, b: Rgb, share: number): Rgb {
  return a.map((part, i) => Math.round(part + (b[i]! - part) * share)) as Rgb;
}

/** `color`, moved towards `towards` until it can be read on all of `grounds`, and on their tint with the brand. */
function readable(color: Rgb, grounds: Rgb[], tint: number, towards: Rgb): Rgb {
  const all = [...grounds, mix(grounds[0]!, color, tint)];
  let best = color;
  for (let share = 0; share < 1 && all.some((ground) => contrast(best, ground) < READABLE); share += 0.04) {
    best = mix(color, towards, share + 0.04);
  }
  return best;
}

const css = (color: Rgb): string => `rgb(${color.join(" ")})`;

/** The custom properties of the style sheet for one brand colour. */
export function palette(color: string): Record<string, string> {
  const brand = parse(color) ?? [31, 41, 55];
  return {
    "--brand": css(brand),
    "--on-brand": css(contrast(brand, WHITE) < READABLE ? BLACK : WHITE),
    "--accent-light": css(readable(brand, LIGHT, 0.09, BLACK)),
    "--accent-dark": css(readable(brand, DARK, 0.16, WHITE)),
  };
}
