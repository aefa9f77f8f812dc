// A page that is loaded when it is first wanted.

import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { Button, Spin } from "./kit";

export function Lazy({ load }: { load: () => Promise<{ default: ComponentType }> }): JSX.Element {
  const [Page, setPage] = useState<ComponentType | undefined>();
  const [failed, setFailed] = useState(false);
  const fetchPage = (): void => {
    setFailed(false);
    load().then((one) => setPage(() => one.default), () => setFailed(true));
  };
  useEffect(fetchPage, []);
  if (Page) return <Page />;
  return <div class="empty">{failed ? <><p role="alert">{t("fault.page")}</p><Button onClick={() => location.reload()}>{t("ui.again")}</Button></> : <Spin />}</div>;
}
