// Whom a conversation can be given to.

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../../i18n";
import { desk, people, readPeople } from "../../state/app";
import { Icon } from "../../ui/icon";
import { Avatar, toast } from "../../ui/kit";

/** Colleagues who can log in, oneself first. */
function team(me: string): { name: string; display: string }[] {
  const own = (name: string): number => (name === me ? 0 : 1);
  return people.value.filter((one) => one.state === "active").sort((a, b) => own(a.name) - own(b.name) || a.display.localeCompare(b.display));
}

export function Team({ onDone }: { onDone: () => void }): JSX.Element {
  const here = desk.value!;
  const { thread } = here.open.value!;
  const all = team(here.me);
  // Somebody may have joined since.
  useEffect(() => void readPeople(), []);
  const holder = thread.owner === "staff" ? thread.staff : undefined;
  const give = (staff: string): void => {
    onDone();
    // Who holds it goes along: of two who give it away at once only one does.
    if (!here.send({ t: "assign", conv: thread.conv, staff, ...(holder && { from: holder }) })) toast(t("fault.offline"));
  };
  return (
    <div class="menu end team" role="group" aria-label={t("talk.assign_to")}>
      <p class="small dim">{t("talk.assign_to")}</p>
      {all.map(({ name, display }) => (
        <button key={name} type="button" disabled={name === holder} onClick={() => give(name)}>
          <Avatar small kind="staff" name={display} />
          <span class="cut grow" dir="auto">{display}{name === here.me && <span class="dim"> · {t("who.you")}</span>}</span>
          {name === holder && <><Icon shape="check" /><span class="sr">{t("talk.answers_now")}</span></>}
        </button>
      ))}
      {all.length < 2 && <p class="small dim">{t("talk.assign_nobody")}</p>}
    </div>
  );
}
