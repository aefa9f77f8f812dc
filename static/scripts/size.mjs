// What browsers load, compressed: the chat (the loader and the frame) for shoppers, the dashboard for agents. Fails above a limit.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const folder = (name) => readdirSync(`${dist}/${name}`, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath.slice(dist.length + 1)}/${entry.name}`);

const BUNDLES = [
  { name: "widget", limit: 20 * 1024, files: ["widget.js", ...folder("widget")] },
  { name: "dashboard", limit: 150 * 1024, files: folder("dashboard") },
];

for (const { name, limit, files } of BUNDLES) {
  let total = 0;
  for (const file of files) {
    const size = gzipSync(readFileSync(`${dist}/${file}`), { level: 9 }).length;
    total += size;
    console.log(`${String(size).padStart(7)} bytes gzip  ${file}`);
  }
  console.log(`${String(total).padStart(7)} bytes gzip in all for the ${name}; the limit is ${limit}`);
  if (total > limit) {
    console.error(`The ${name} is ${total - limit} bytes too big.`);
    process.exitCode = 1;
  }
}
