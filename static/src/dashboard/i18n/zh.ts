// Chinese, simplified. The same keys as in English; the compiler sees to it.

import type { en } from "./en";
import { desk } from "./zh/desk";
import { keep } from "./zh/keep";
import { learn } from "./zh/learn";
import { pages } from "./zh/pages";
import { shop } from "./zh/shop";

export const zh: Record<keyof typeof en, string> = { ...desk, ...pages, ...keep, ...learn, ...shop };
