// How the shopper felt over the conversation: a small line from bad (below) to good (above).

import type { JSX } from "preact";
import { fullTime, t } from "../../i18n";
import type { MoodPoint } from "../../state/thread";

const WIDE = 250;
const TALL = 56;
const EDGE = 6;

export function MoodChart({ points }: { points: MoodPoint[] }): JSX.Element {
  const x = (n: number): number => EDGE + (points.length === 1 ? 0.5 : n / (points.length - 1)) * (WIDE - 2 * EDGE);
  const y = (value: number): number => EDGE + ((1 - value) / 2) * (TALL - 2 * EDGE);
  const line = points.map((point, n) => `${n ? "L" : "M"}${x(n).toFixed(1)} ${y(point.value).toFixed(1)}`).join("");
  const last = points.at(-1)!;
  return (
    <figure class="mood-chart">
      <svg viewBox={`0 0 ${WIDE} ${TALL}`} role="img" aria-label={t("mood.chart", { n: points.length, last: t(`mood.${last.label}`) })}>
        <line x1={EDGE} x2={WIDE - EDGE} y1={y(0)} y2={y(0)} class="zero" />
        <path d={line} class="line" />
        {points.map((point, n) => (
          <circle key={n} cx={x(n)} cy={y(point.value)} r={n === points.length - 1 ? 4 : 3} class={point.label}>
            <title>{`${t(`mood.${point.label}`)} · ${fullTime(point.at)}`}</title>
          </circle>
        ))}
      </svg>
      <figcaption class="small dim">{t("mood.now", { mood: t(`mood.${last.label}`) })}</figcaption>
    </figure>
  );
}
