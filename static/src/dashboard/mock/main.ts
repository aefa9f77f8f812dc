// The dashboard without a server, for work on its look: `npm run mock`. Never part of the product.

import { install } from "./server";

install(new URLSearchParams(location.search));
await import("../main");
