// How much there is to learn from by now: what the team wrote and corrected, and what shoppers liked.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Fault, post } from "../../api";
import { number, t, tn } from "../../i18n";
import { DEFAULTS, type Preview, recipeOf } from "../../training";

interface Targets {
  staff: number;
  corrected: number;
  liked: number;
}

const NONE: Targets = { staff: 0, corrected: 0, liked: 0 };

/** Nothing until it is known: counting reads every conversation. */
export function Gathered(): JSX.Element | null {
  const [known, setKnown] = useState<{ count: number; targets: Targets } | undefined>();
  useEffect(() => {
    post<Preview>("/v1/staff/runs/preview", { recipe: recipeOf(DEFAULTS), rows: 0 }).then(
      ({ count, report }) => setKnown({ count, targets: { ...NONE, ...(report as { targets?: Partial<Targets> } | null)?.targets } }),
      // No rows at all is an answer, too.
      (fault) => fault instanceof Fault && fault.code === "rows_empty" && setKnown({ count: 0, targets: NONE }),
    );
  }, []);
  if (!known) return null;
  const { count, targets } = known;
  const parts: [n: number, words: string][] = [[targets.staff, t("train.by_team")], [targets.corrected, t("train.corrected")], [targets.liked, t("train.liked")]];
  return (
    <section class="card gathered" aria-label={t("train.gathered")}>
      <div class="in">
        <p class="gathered-all"><strong class="num">{number(count)}</strong> {tn("train.gathered_rows", count)}</p>
        <ul>{parts.map(([n, words]) => <li key={words}><strong class="num">{number(n)}</strong> {words}</li>)}</ul>
        <p class="small dim">{t("train.gathered_hint")}</p>
      </div>
    </section>
  );
}
