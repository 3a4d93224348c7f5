// Browser tabs for the tests of examples/chat, which start
//
//	node chat.mjs scenario.mjs '{"url": "http://127.0.0.1:3000", "chromium": "/usr/bin/chromium", "shots": "/tmp"}'
//
// The scenario's default export is a function that gets the kit below. It waits for
// conditions, never for a fixed time. What it asks of the test, kit.ask(word), is printed
// as a line {"ask": word}; the answer is a line of JSON on standard input. The process ends
// when its input does.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const BOUND = 30_000; // ms for anything
const [file, config] = process.argv.slice(2);
const { url, chromium: executablePath, shots } = JSON.parse(config);
const input = createInterface({ input: process.stdin });
const answers = [];
const awaited = [];
input.on("line", (line) => (awaited.length ? awaited.shift()(JSON.parse(line)) : answers.push(JSON.parse(line))));
input.on("close", () => process.exit(2));

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-quic", "--disable-dev-shm-usage"], // CI runs as root, in a container
});

const quiet = (text) => text.replace(/\s+/g, " ").trim();

// Tab is a page. Fields and other elements are named by their IDs.
class Tab {
  complaints = [];

  constructor(page) {
    this.page = page;
    page.on("pageerror", (err) => this.complaints.push(String(err)));
    page.on("console", (message) => {
      // Except HTTP refusals, and what a refused client abandons: an upgrade, a poll.
      const network = /Failed to load resource|WebSocket connection to|net::ERR_/.test(message.text());
      if (["error", "warning"].includes(message.type()) && !network) this.complaints.push(message.text());
    });
  }

  $ = (id) => this.page.locator(`#${id}`);
  fill = (id, text) => this.$(id).fill(text);
  click = (id) => this.$(id).click();

  // enter fills in a field and submits its form.
  async enter(id, text) {
    await this.fill(id, text);
    await this.$(id).press("Enter");
  }

  // see waits until the text of an element is want, contains it if part is set, or
  // matches it if it is a regular expression.
  async see(id, want, { part = false } = {}) {
    const [text, regexp] = want instanceof RegExp ? [want.source, true] : [want, false];
    try {
      await this.page.waitForFunction(([id, text, regexp, part]) => {
        const got = document.getElementById(id)?.innerText.replace(/\s+/g, " ").trim();
        return got !== undefined && (regexp ? new RegExp(text).test(got) : part ? got.includes(text) : got === text);
      }, [id, text, regexp, part]);
    } catch (cause) {
      const shown = await this.$(id).innerText({ timeout: 1000 }).catch(String);
      throw new Error(`#${id} shows "${quiet(shown)}", not ${want}`, { cause });
    }
  }
  hear = (text) => this.see("lines", text, { part: true });
  lines = async () => quiet(await this.$("lines").innerText());
  clear = () => this.$("lines").evaluate((lines) => lines.replaceChildren());

  async signIn(user, password) {
    await this.fill("user", user);
    await this.enter("password", password);
  }

  // account clicks an item of the account menu, which it opens if necessary.
  async account(id) {
    if (!(await this.$(id).isVisible())) await this.page.locator("#account > summary").click();
    await this.click(id);
  }

  // press clicks the name of a person or a room.
  press = (list, name) => this.$(list).locator("button").filter({ has: this.page.getByText(name, { exact: true }) }).click();

  async open(room) {
    if (!(await this.$("room-name").isVisible())) await this.page.locator("#opening > summary").click();
    await this.enter("room-name", room);
  }

  // online waits for the upgrade to WebSocket: if a client leaves just before that, the
  // host leaks a timer.
  online = () => this.see("status", "Online (websocket)");

  shot = (name) => this.page.screenshot({ path: `${shots}/${name}.png` });
}

const tabs = [];

const kit = {
  url,
  // person returns a browser context with the options; its tabs share cookies.
  async person(options = {}) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options }); // tests sign their own
    context.setDefaultTimeout(BOUND);
    return {
      context,
      async tab(to = url) {
        const tab = new Tab(await context.newPage());
        tabs.push(tab);
        await tab.page.goto(to);
        return tab;
      },
    };
  },
  tab: async (options) => (await kit.person(options)).tab(),
  ask(word) {
    process.stdout.write(JSON.stringify({ ask: word }) + "\n");
    return answers.length ? answers.shift() : new Promise((answer) => awaited.push(answer));
  },
  equal(got, want, what) {
    if (got !== want) throw new Error(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  },
};

try {
  const { default: scenario } = await import(pathToFileURL(file));
  await scenario(kit);
  for (const { complaints } of tabs) kit.equal(complaints.join("\n"), "", "the console");
} catch (err) {
  console.error(err);
  for (const [n, tab] of tabs.entries()) await tab.shot(`failed-${n}`).catch(() => {});
  process.exitCode = 1;
}
await browser.close();
process.exit();
