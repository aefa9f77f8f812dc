// The frame's side of the talk with the shop's page.
//
// The page's origin comes from our own address and is believed only as far as the browser confirms it; every message is
// checked for origin and source, and answers go to that origin alone.

import { type FrameSays, type PageSays, unwrap, wrap } from "../shared";

/** The origin named in `query`, if it is one and if the browser, where it says anything, agrees. */
export function pageOrigin(query: string | null, referrer: string, ancestor: string | undefined): string | undefined {
  const proof = ancestor ?? originOf(referrer);
  return query && originOf(query) === query && (!proof || proof === query) ? query : undefined;
}

function originOf(address: string): string | undefined {
  try {
    const url = new URL(address);
    return url.protocol === "https:" || url.protocol === "http:" ? url.origin : undefined;
  } catch {
    return undefined;
  }
}

export class Bridge {
  constructor(
    private readonly origin: string | undefined,
    onMessage: (message: PageSays) => void,
  ) {
    window.addEventListener("message", (event) => {
      // A page of no known origin is not heard: no message is without one.
      if (event.origin !== origin || event.source !== window.parent) return;
      const message = unwrap<PageSays>(event.data);
      if (message?.t === "identify") {
        if (typeof message.jwt === "string" && message.jwt.length < 8192) onMessage({ t: "identify", jwt: message.jwt });
      } else if (message?.t === "page") {
        // The browser vouches for the origin of whoever speaks; the rest of the address is theirs to say.
        if (originOf(String(message.address)) === origin) onMessage(message as PageSays);
      } else if (message?.t === "open" || message?.t === "closed") {
        onMessage({ t: message.t });
      }
    });
  }

  say(message: FrameSays): void {
    if (this.origin) window.parent.postMessage(wrap(message), this.origin);
  }
}
