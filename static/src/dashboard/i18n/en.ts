// English.

import { desk } from "./en/desk";
import { keep } from "./en/keep";
import { pages } from "./en/pages";

export const en = { ...desk, ...pages, ...keep };
