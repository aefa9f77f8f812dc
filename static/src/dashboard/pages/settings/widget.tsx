// How shoppers see the chat, and the line that puts it on a page.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, query } from "../../api";
import type { Look } from "../../contract";
import { lang, t } from "../../i18n";
import { complain } from "../../state/app";
import { isDark } from "../../state/prefs";
import { Button, Spin, toast } from "../../ui/kit";
import { palette } from "../../../widget/color";
import { fill, textsFor } from "../../../widget/texts";
import { Card } from ".";

const LANGUAGES = [["en", "English"], ["zh", "中文"], ["ar", "العربية"]] as const;

export function Widget(): JSX.Element {
  const [shown, setShown] = useState<string>(lang.value);
  const [look, setLook] = useState<Look | undefined>();
  useEffect(() => void get<Look>(query("/v1/shopper/look", { lang: shown })).then(setLook, complain), [shown]);
  const snippet = `<script src="${location.origin}/widget.js" async></script>`;
  return (
    <>
      <Card title={t("widget.embed")} lead={t("widget.embed_lead")}>
        <div class="snippet"><pre tabIndex={0}>{snippet}</pre><Button look="tiny" icon="copy" onClick={() => void navigator.clipboard.writeText(snippet).then(() => toast(t("ui.copied")))}>{t("ui.copy")}</Button></div>
        <p class="small dim">{t("widget.origins")} <a href="/demo/" target="_blank" rel="noopener">{t("widget.demo")}</a></p>
      </Card>
      <Card
        title={t("widget.look")}
        lead={t("widget.look_lead")}
        side={<div class="tabs" role="group" aria-label={t("me.language")}>{LANGUAGES.map(([one, name]) => <button type="button" class="tab" key={one} lang={one} aria-current={one === shown ? "true" : undefined} onClick={() => setShown(one)}>{name}</button>)}</div>}
      >
        {look ? <Preview look={look} shown={shown} /> : <Spin />}
      </Card>
    </>
  );
}

/** The widget's first sight, in its own colours and words. */
function Preview({ look, shown }: { look: Look; shown: string }): JSX.Element {
  const colors = palette(look.color);
  const accent = colors[isDark() ? "--accent-dark" : "--accent-light"];
  const texts = textsFor(shown);
  return (
    <div class="preview-widget" lang={shown} dir={shown === "ar" ? "rtl" : "ltr"}>
      <header>
        <span class="face" style={{ background: colors["--brand"], color: colors["--on-brand"] }} aria-hidden="true">{[...look.assistant][0]}</span>
        <div class="grow"><p class="strong">{look.assistant}</p><p class="small dim">{fill(texts.assistantOf, look.name)}</p></div>
      </header>
      <div class="talk-in">
        <p class="hello">{look.greeting}</p>
        {look.suggestions.slice(0, 4).map((one) => <span class="ask" key={one} style={{ color: accent, borderColor: accent }}>{one}</span>)}
      </div>
    </div>
  );
}
