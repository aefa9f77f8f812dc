// English.

import { desk } from "./en/desk";
import { keep } from "./en/keep";
import { learn } from "./en/learn";
import { pages } from "./en/pages";
import { shop } from "./en/shop";

export const en = { ...desk, ...pages, ...keep, ...learn, ...shop };
