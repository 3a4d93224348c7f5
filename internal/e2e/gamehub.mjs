// A player of examples/gamehub: its client.mjs with socket.io-client 2, as the mini
// program has it. By hand, while the hub runs:
//
//	node gamehub.mjs http://127.0.0.1:3000 ada [transports]
//
// It tells in lines of JSON what it observes, and takes lines of words: join, move 4 and
// leave are events; drop loses the connection, suspend keeps it lost until resume;
// aside leaves heart-beats unanswered until front. It ends with its input.

import { createInterface } from "node:readline";
import { enter } from "../../examples/gamehub/client.mjs";

delete globalThis.WebSocket; // of Node 22 on; version 2 would prefer it to ws
const { default: client2 } = await import("client2");

const [url, code, transports = "websocket"] = process.argv.slice(2);
const say = (record) => process.stdout.write(JSON.stringify(record) + "\n");
const bound = setTimeout(() => process.exit(3), 60_000);
if (process.stdin.isTTY) clearTimeout(bound);

const wx = { setTabBarBadge: ({ text }) => say({ type: "badge", message: text }) };
let aside = false;

// io is what the page imports. The test looks over its shoulder.
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
