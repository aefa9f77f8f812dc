// Charts: uPlot in the page's colours, with a legend and a table of the same numbers for those who cannot see it.

import "uplot/dist/uPlot.min.css";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { number, t } from "../i18n";
import { isDark } from "../state/prefs";

export type Color = 1 | 2 | 3 | 4 | 5;

export interface Series {
  name: string;
  values: (number | null)[];
  /** Number of the colour, from 1. */
  color: Color;
  kind?: "line" | "area" | "bars" | "dots";
  faint?: boolean;
}

interface Props {
  label: string;
  x: number[];
  series: Series[];
  /** How a value on the y axis, and in the table, is written. */
  say: (value: number) => string;
  /** How a place on the x axis is written. */
  sayX: (x: number) => string;
  height?: number;
  /** Seconds since 1970 rather than plain numbers. */
  days?: boolean;
  /** Each on top of those before it. */
  stacked?: boolean;
  /** The y axis begins at 0. */
  fromZero?: boolean;
  /** Only in the table: too many rows to read otherwise. */
  tableEvery?: number;
}

export function Chart(props: Props): JSX.Element {
  const { label, x, series, say, sayX, height = 220, tableEvery = 1 } = props;
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const dark = isDark();
  const data = [x, ...heights(props)] as uPlot.AlignedData;
  const shape = JSON.stringify([props.stacked, series.map(({ name, color, kind, faint }) => [name, color, kind, faint]), dark, height]);
  const latest = useRef(props);
  latest.current = props;

  useLayoutEffect(() => {
    const element = box.current!;
    const made = new uPlot(options(element, tip.current!, latest), data, element);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data), [x, ...series.map((one) => one.values)]);

  return (
    <figure class="chart">
      <div class="legend-row">
        {series.map((one) => <span key={one.name} class={`legend-item s${one.color}${one.kind === "dots" ? " dot" : ""}${one.faint ? " faint" : ""}`}>{one.name}</span>)}
      </div>
      <div class="plot" ref={box} role="img" aria-label={label}><div class="tip" ref={tip} hidden /></div>
      <details class="as-table">
        <summary>{t("chart.table")}</summary>
        <div class="scrollx" tabIndex={0} role="region" aria-label={label}>
          <table class="table">
            <thead><tr><th scope="col">{t("chart.at")}</th>{series.map((one) => <th class="n" scope="col" key={one.name}>{one.name}</th>)}</tr></thead>
            <tbody>
              {x.map((at, n) => n % tableEvery === 0 && <tr key={at}><th scope="row">{sayX(at)}</th>{series.map((one) => <td class="n" key={one.name}>{one.values[n] == null ? "" : say(one.values[n]!)}</td>)}</tr>)}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

/** The values as they are drawn, the highest of a stack first: the next one is drawn over it. */
function heights({ series, stacked }: Props): (number | null)[][] {
  const values = series.map((one) => one.values);
  if (!stacked) return values;
  const sums = values.map((_, n) => values[n]!.map((_, at) => values.slice(0, n + 1).reduce((sum, one) => sum + (one[at] ?? 0), 0)));
  return sums.reverse();
}

function options(element: HTMLElement, tip: HTMLElement, latest: { current: Props }): uPlot.Options {
  const { height = 220, days, stacked, fromZero = true } = latest.current;
  const series = stacked ? latest.current.series.toReversed() : latest.current.series;
  const style = getComputedStyle(document.documentElement);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis = { stroke: color("--faint"), font: `11px ${getComputedStyle(document.body).fontFamily}`, grid: { stroke: color("--grid"), width: 1 }, ticks: { show: false } };
  const bars = uPlot.paths.bars!({ size: [0.62, 34], radius: 0.25 });
  const smooth = uPlot.paths.spline!();
  return {
    width: element.clientWidth || 400,
    height,
    padding: [10, 8, 0, 0],
    legend: { show: false },
    cursor: { points: { size: 7 }, drag: { x: false, y: false }, y: false },
    // A bar has room on both sides of its day.
    scales: { x: { time: days === true, ...(series.some((one) => one.kind === "bars") && { range: (_, low, high) => [low - 43_200, high + 43_200] }) }, y: { range: (_, low, high) => range(low, high, fromZero) } },
    axes: [
      { ...axis, grid: { show: false }, gap: 7, size: 30, values: (_, places) => places.map((place) => (days ? latest.current.sayX(place) : Number.isInteger(place) ? number(place) : "")), space: 70 },
      { ...axis, gap: 6, size: 52, values: (_, places) => places.map((place) => latest.current.say(place)), space: 42 },
    ],
    series: [
      {},
      ...series.map((one): uPlot.Series => {
        const ink = color(`--series-${one.color}`);
        return {
          label: one.name,
          stroke: one.faint ? `${ink}59` : ink,
          width: one.kind === "bars" ? 0 : one.faint ? 1 : 2,
          spanGaps: true,
          points: { show: one.kind === "dots", size: 7, fill: ink, stroke: ink },
          ...(one.kind === "bars" && { paths: bars, fill: one.faint ? `${ink}66` : ink }),
          ...(one.kind === "area" && { fill: `${ink}1f`, paths: smooth }),
          ...(one.kind === "dots" && { width: 2 }),
        };
      }),
    ],
    hooks: { setCursor: [(plot) => tell(plot, tip, latest.current)] },
  };
}

/** Room above the highest value, and a sensible range when there is none. */
function range(low: number | null, high: number | null, fromZero: boolean): [number, number] {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const bottom = fromZero ? Math.min(0, low) : low;
  const room = (high - bottom || Math.abs(high) || 1) * 0.08;
  return [fromZero ? bottom : bottom - room, high + room];
}

/** The values under the pointer. */
function tell(plot: uPlot, tip: HTMLElement, { x, series, say, sayX }: Props): void {
  const { idx, left = -1 } = plot.cursor;
  tip.hidden = idx == null || left < 0;
  if (tip.hidden) return;
  const lines = series.flatMap((one) => (one.values[idx!] == null ? [] : [`${one.name}: ${say(one.values[idx!]!)}`]));
  tip.textContent = [sayX(x[idx!]!), ...lines].join("\n");
  const wide = plot.root.clientWidth;
  const at = left + plot.bbox.left / devicePixelRatio;
  tip.style.left = `${Math.min(Math.max(8, at + 14), wide - tip.offsetWidth - 4)}px`;
}

/** A line without axes, for a tile. */
export function Spark({ values, color = 1 }: { values: number[]; color?: Color }): JSX.Element | null {
  if (values.length < 2) return null;
  // A steady line stands in the middle; a moving one uses the room.
  const high = Math.max(...values) * 1.02;
  const low = Math.min(...values) * 0.7;
  const place = (value: number, n: number): string => `${((n / (values.length - 1)) * 100).toFixed(1)} ${(26 - ((value - low) / (high - low || 1)) * 24).toFixed(1)}`;
  const line = values.map((value, n) => `${n ? "L" : "M"}${place(value, n)}`).join("");
  return (
    <svg class={`spark s${color}`} viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">
      <path class="under" d={`${line}L100 28L0 28Z`} />
      <path class="over" d={line} />
    </svg>
  );
}
