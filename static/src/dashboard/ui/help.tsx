// The shortcuts, on one sheet.

import type { JSX } from "preact";
import { t } from "../i18n";
import { SHORTCUTS } from "../state/keys";
import { isAdmin } from "../state/app";
import { helpOpen } from "../state/signals";
import { Sheet } from "./kit";

export function Help(): JSX.Element {
  return (
    <Sheet title={t("help.title")} onClose={() => (helpOpen.value = false)}>
      <div class="help">
        {(["list", "talk", "go"] as const).map((group) => (
          <section key={group}>
            <h3>{t(`help.${group}`)}</h3>
            <dl>
              {SHORTCUTS.filter((one) => one.group === group && (one.act !== "training" || isAdmin.value)).map((one) => (
                <div key={one.keys}>
                  <dt>{t(one.word)}</dt>
                  <dd>{one.keys.split(" ").map((key) => <kbd key={key}>{key === "Escape" ? "Esc" : key === "Enter" ? "↵" : key}</kbd>)}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p class="small dim">{t("help.compose")}</p>
    </Sheet>
  );
}
