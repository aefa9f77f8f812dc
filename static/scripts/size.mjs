// What a shopper's browser loads for the chat: the loader and the frame, compressed. Fails above the limit.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const LIMIT = 20 * 1024;
const dist = fileURLToPath(new URL("../dist", import.meta.url));
const files = ["widget.js", ...readdirSync(`${dist}/widget`, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath.slice(dist.length + 1)}/${entry.name}`)];

let total = 0;
for (const file of files) {
  const size = gzipSync(readFileSync(`${dist}/${file}`), { level: 9 }).length;
  total += size;
  console.log(`${String(size).padStart(7)} bytes gzip  ${file}`);
}
console.log(`${String(total).padStart(7)} bytes gzip in all; the limit is ${LIMIT}`);
if (total > LIMIT) {
  console.error(`The widget is ${total - LIMIT} bytes too big.`);
  process.exit(1);
}
