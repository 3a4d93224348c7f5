// A player of examples/gamehub: its client.mjs with socket.io-client 2, as in the mini
// program. To run it by hand, while the hub runs:
//
//	node gamehub.mjs http://127.0.0.1:3000 ada [transports]
//
// It prints what it observes as lines of JSON, and reads a command from each line of its
// input: join, move 4 and leave are events; drop loses the connection, suspend keeps it
// lost until resume; aside leaves heartbeats unanswered until front. It ends when its input
// does.

import { createInterface } from "node:readline";
import { enter } from "../../examples/gamehub/client.mjs";

delete globalThis.WebSocket; // in Node 22 and later; version 2 would prefer it to ws
const { default: client2 } = await import("client2");

const [url, code, transports = "websocket"] = process.argv.slice(2);
const say = (record) => process.stdout.write(JSON.stringify(record) + "\n");
const bound = setTimeout(() => process.exit(3), 60_000);
if (process.stdin.isTTY) clearTimeout(bound);

const wx = { setTabBarBadge: ({ text }) => say({ type: "badge", message: text }) };
let aside = false;

// io is what the page imports. It also prints what happens.
function io(uri, options) {
  const socket = client2(uri, { ...options, transports: transports.split("+"), reconnectionDelay: 50 });
  const { emit } = socket;
  socket.emit = (event, ...args) => (event === "beat_res" && aside ? socket : emit.call(socket, event, ...args));
  socket.on("connect", () => say({ type: "connect", nsp: socket.nsp, id: socket.id }));
  socket.on("disconnect", (reason) => say({ type: "disconnect", nsp: socket.nsp, reason }));
  socket.on("error", (data) => say({ type: "error", nsp: socket.nsp, data }));
  for (const event of ["welcome", "table", "player", "kicked"]) {
    socket.on(event, (...args) => say({ type: "event", nsp: socket.nsp, event, args }));
  }
  return socket;
}

async function login() {
  const response = await fetch(url + "/login", { method: "POST", body: JSON.stringify({ code }) });
  return response.ok ? (await response.json()).token : "";
}

let token = await login();
const signedOut = (why) => say({ type: "signed_out", reason: why.code });
let socket = enter(io, wx, url, token, signedOut);

function act([what, arg]) {
  const { io: manager } = socket;
  switch (what) {
    case "drop": // as in a tunnel
      return manager.engine.transport.ws ? manager.engine.transport.ws.terminate() : manager.engine.onClose("transport close");
    case "suspend":
      manager.reconnection(false);
      return manager.engine.close();
    case "resume":
      manager.reconnection(true);
      return socket.open();
    case "aside":
    case "front":
      aside = what === "aside";
      return;
    default:
      socket.emit(what, ...(arg ? [Number(arg)] : []), (...args) => say({ type: "ack", event: what, args }));
  }
}

createInterface({ input: process.stdin })
  .on("line", (line) => line.trim() && act(line.trim().split(/\s+/)))
  .on("close", () => process.exit(0));
