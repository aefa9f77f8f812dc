// The hours in which people are there, day by day, by the clock on their wall.

import type { JSX } from "preact";
import type { Schedule } from "../../contract";
import { t, weekday } from "../../i18n";

const USUAL: [number, number] = [9 * 60, 17 * 60];
const here = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;
const ZONES = Intl.supportedValuesOf("timeZone");

/** Monday to Friday, nine to five, where the browser is. */
export const usualWeek = (): Schedule => ({ zone: here(), week: [0, 1, 2, 3, 4, 5, 6].map((day) => (day < 5 ? USUAL : null)) });

/** `9:05` for 545; the end of the day is the last minute a field can show. */
const clock = (minutes: number): string => {
  const shown = Math.min(minutes, 24 * 60 - 1);
  return `${String(Math.floor(shown / 60)).padStart(2, "0")}:${String(shown % 60).padStart(2, "0")}`;
};
const minutes = (text: string): number | undefined => {
  const [hour, minute] = text.split(":").map(Number);
  if (hour === undefined || minute === undefined || Number.isNaN(hour + minute)) return undefined;
  // Who closes at 23:59 means midnight.
  return hour === 23 && minute === 59 ? 24 * 60 : hour * 60 + minute;
};

export function Week({ schedule, onChange }: { schedule: Schedule; onChange: (schedule: Schedule) => void }): JSX.Element {
  const set = (day: number, span: [number, number] | null): void => onChange({ ...schedule, week: schedule.week.map((old, n) => (n === day ? span : old)) });
  const zones = ZONES.includes(schedule.zone) ? ZONES : [schedule.zone, ...ZONES];
  return (
    <div class="week">
      {schedule.week.map((span, day) => (
        <div class="week-day" key={day} role="group" aria-label={weekday(day)}>
          <label class="check"><input type="checkbox" checked={span !== null} onChange={(event) => set(day, event.currentTarget.checked ? USUAL : null)} /><span>{weekday(day)}</span></label>
          {span ? (
            <>
              <input class="input" type="time" required aria-label={t("desk.from")} value={clock(span[0])} onChange={(event) => set(day, [minutes(event.currentTarget.value) ?? span[0], span[1]])} />
              <span aria-hidden="true">–</span>
              <input class="input" type="time" required aria-label={t("desk.to")} value={clock(span[1])} onChange={(event) => set(day, [span[0], minutes(event.currentTarget.value) ?? span[1]])} />
              {span[0] >= span[1] && <span class="wrong" role="alert">{t("desk.backwards")}</span>}
            </>
          ) : (
            <span class="dim">{t("desk.day_off")}</span>
          )}
        </div>
      ))}
      <label class="field">
        <span class="legend">{t("desk.zone")}</span>
        <select class="input" value={schedule.zone} onChange={(event) => onChange({ ...schedule, zone: event.currentTarget.value })}>{zones.map((one) => <option key={one} value={one}>{one.replaceAll("_", " ")}</option>)}</select>
      </label>
    </div>
  );
}
