// How much there is to learn from by now: what the team wrote and corrected, and what shoppers liked.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../../api";
import type { Gathered as Counts } from "../../contract";
import { number, t } from "../../i18n";

export function Gathered(): JSX.Element | null {
  const [known, setKnown] = useState<Counts | undefined>();
  useEffect(() => void get<Counts>("/v1/staff/gathered").then(setKnown, () => {}), []);
  if (!known) return null;
  const parts: [n: number, words: string][] = [
    [known.by_staff, t("train.by_team")],
    [known.drafts, t("train.pairs")],
    [known.corrected, t("train.corrected")],
    [known.liked, t("train.liked")],
  ];
  return (
    <section class="card gathered" aria-label={t("train.gathered")}>
      <h2>{t("train.gathered")}</h2>
      <dl>{parts.map(([n, words]) => <div key={words}><dt>{words}</dt><dd class="num">{number(n)}</dd></div>)}</dl>
      <p class="small dim">{t("train.gathered_hint")}</p>
    </section>
  );
}
