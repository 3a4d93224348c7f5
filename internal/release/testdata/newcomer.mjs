// Runs the code that README.md shows for the browser, with the official client, and prints
// what it logs, as a browser would.
//
//	node newcomer.mjs <folder with node_modules> <URL of the server> <snippet> <lines>
//
// It ends after that many lines, or after 30 seconds.

import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, url, snippet, lines] = process.argv.slice(2);
const client = createRequire(join(folder, "/"))("client4");

// In a page, the default is the server that it comes from.
const io = (...args) => (typeof args[0] === "string" ? client.io(url + args[0], args[1]) : client.io(url, args[0]));

let left = Number(lines);
const bound = setTimeout(() => process.exit(1), 30_000);
const show = (x) =>
  x !== null && typeof x === "object"
    ? "{" + Object.entries(x).map(([k, v]) => `${k}: ${JSON.stringify(v)}`).join(", ") + "}"
    : String(x);
const log = (...args) => {
  process.stdout.write(args.map(show).join(" ") + "\n");
  if (--left === 0) {
    clearTimeout(bound);
    process.exit(0);
  }
};

new Function("io", "console", snippet)(io, { log });
