// The entry of the frame at `/widget/`: reads the address, which is all that the shop's page decides, and starts.

import "./style/frame.css";
import "./style/header.css";
import "./style/conversation.css";
import "./style/footer.css";
import { App } from "./app";
import { pageOrigin } from "./bridge";
import { forget, keepIn } from "./keep";
import { language, textsFor } from "./texts";

const query = new URLSearchParams(location.search);
const lang = language([query.get("lang") ?? "", ...navigator.languages]);
document.documentElement.lang = lang;
document.documentElement.dir = lang === "ar" ? "rtl" : "ltr";

const root = document.getElementById("app");
if (root) {
  const keep = keepIn(() => localStorage);
  // The shop's page says that its customer left. Before anything is read, so that the next one sees nothing of it.
  if (query.has("out")) forget(keep);
  new App({
    root,
    keep,
    texts: textsFor(lang),
    lang,
    vouched: query.has("vouched"),
    origin: pageOrigin(query.get("origin"), document.referrer, location.ancestorOrigins?.[0]),
  }).start();
}
