// Runs one of the official Socket.IO clients and tells, in lines of JSON, what
// it observes. The tests of this folder start it; README.md says how to run it
// by hand.
//
//	node driver.mjs '<scenario>'    ends when its bound is over
//	node driver.mjs < lines         a scenario, then actions; ends with stdin
//
// scenario:
//	client      4 or 2: the major version of socket.io-client
//	url         http://host:port
//	namespaces  default ["/"], all on one connection
//	options     of the client: transports, auth, query, extraHeaders, reconnection...
//	listen      names of events to observe
//	onConnect   actions to run inside each "connect" listener
//	actions     actions to run at the start
//	responses   true: observe the HTTP responses too, with their headers
//	tokens      URL that answers with a token as JSON. Version 4 asks it for each
//	            CONNECT to "/" (auth), version 2 before its first handshake (query)
//	recipe      true: recipe_auth.mjs does that, and all else; observed as "signed_out"
//	bound       milliseconds until the process ends whatever happens, default 20000
//
// action: {do, conn, nsp}, conn being the number of the connection, default 0
//	open                                another connection of the same scenario
//	emit {event, args, ack, times}      with ack: observed as "ack"
//	connect, disconnect                 the socket of nsp
//	pause {ms}                          observed as "paused" when over
//	renew                               connect the socket of nsp with a new token
//	leave                               what the recipe has for that
//
// {"$binary": base64} stands for a Buffer in args, both ways.

import { subscribe } from "node:diagnostics_channel";
import { createInterface } from "node:readline";
import { authenticate } from "./recipe_auth.mjs";

const say = (record) => process.stdout.write(JSON.stringify(record, hide) + "\n");

// hide runs after Buffer.toJSON, therefore it looks at the holder.
function hide(key, value) {
  const raw = this[key];
  if (raw instanceof ArrayBuffer || ArrayBuffer.isView(raw)) {
    return { $binary: Buffer.from(raw).toString("base64") };
  }
  return value;
}

const reveal = (key, value) =>
  value && typeof value.$binary === "string" ? Buffer.from(value.$binary, "base64") : value;

const parse = (text) => JSON.parse(text, reveal);

process.on("uncaughtException", (err) => {
  say({ type: "uncaught", message: err.stack });
  process.exit(1);
});

let scenario;
let library;
const connections = [];

// told is what an error says of a transport: the number of an HTTP status, or
// the message of the error beneath.
function told(description) {
  return typeof description === "object" ? description?.message : description;
}

// explain takes apart what connect_error, reconnect_error and the "error" of
// version 2 were given: an Error, or the data of the server as it is.
function explain(err) {
  if (!(err instanceof Error)) {
    return { data: err };
  }
  const xhr = err.context?.getResponseHeader ? err.context : null;
  return {
    message: err.message,
    data: err.data,
    description: told(err.description),
    status: xhr?.status,
    body: xhr?.responseText,
    retryAfter: xhr?.getResponseHeader("retry-after") ?? undefined,
  };
}

function watchManager(manager, conn) {
  manager.on("open", () => {
    const { engine } = manager;
    say({ type: "open", conn, transport: engine.transport.name });
    engine.on("upgrade", (transport) => say({ type: "upgrade", conn, transport: transport.name }));
  });
  manager.on("reconnect_attempt", (attempt) => say({ type: "reconnect_attempt", conn, attempt }));
  manager.on("reconnect", (attempt) => say({ type: "reconnect", conn, attempt }));
  manager.on("reconnect_error", (err) => say({ type: "reconnect_error", conn, ...explain(err) }));
  manager.on("reconnect_failed", () => say({ type: "reconnect_failed", conn }));
}

function watchSocket(socket, conn) {
  const note = (type, more) =>
    say({ type, conn, nsp: socket.nsp, active: socket.active, connected: socket.connected, ...more });
  socket.on("connect", () => {
    note("connect", { id: socket.id });
    run(scenario.onConnect, { conn, nsp: socket.nsp });
  });
  socket.on("connect_error", (err) => note("connect_error", explain(err)));
  if (scenario.client === 2) {
    socket.on("error", (err) => note("error", explain(err)));
  }
  socket.on("disconnect", (reason, details) =>
    note("disconnect", { reason, description: told(details?.description) }));
  for (const event of scenario.listen ?? []) {
    socket.on(event, (...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : null;
      note("event", { event, args });
      ack?.(...args);
    });
  }
}

// getToken is what an application has.
async function getToken(renew) {
  const response = await fetch(scenario.tokens + (renew ? "?renew" : ""));
  if (!response.ok) {
    throw new Error("no token: " + response.status);
  }
  return response.json();
}

function signIn(socket, conn) {
  if (socket.nsp !== "/") {
    return;
  }
  if (scenario.recipe) {
    const signedOut = (code) => say({ type: "signed_out", conn, nsp: socket.nsp, reason: code });
    socket.leave = authenticate(socket, getToken, signedOut);
  } else if (scenario.tokens && scenario.client === 4) {
    socket.auth = (send) => getToken(false).then((token) => send({ token }));
  }
}

function open() {
  const conn = connections.length;
  const manager = new library.Manager(scenario.url, { ...scenario.options, autoConnect: false });
  watchManager(manager, conn);
  const sockets = new Map();
  for (const nsp of scenario.namespaces ?? ["/"]) {
    const socket = manager.socket(nsp, scenario.options);
    watchSocket(socket, conn);
    signIn(socket, conn);
    sockets.set(nsp, socket);
  }
  connections.push(sockets);
  for (const socket of sockets.values()) {
    socket.connect();
  }
}

function run(actions, defaults) {
  for (const action of actions ?? []) {
    act({ ...defaults, ...action });
  }
}

function act({ do: what, conn = 0, nsp = "/", event, args = [], ack, times = 1, ms }) {
  const socket = connections[conn]?.get(nsp);
  switch (what) {
    case "open":
      return open();
    case "connect":
      return socket.connect();
    case "disconnect":
      return socket.disconnect();
    case "pause":
      return setTimeout(() => say({ type: "paused" }), ms);
    case "leave":
      return socket.leave();
    case "renew":
      return getToken(true).then((token) => {
        if (scenario.client === 4) {
          socket.auth = { token };
        } else {
          socket.io.opts.query = { token };
        }
        socket.connect();
      });
    case "emit":
      for (let index = 0; index < times; index++) {
        const answer = (...args) => say({ type: "ack", conn, nsp, event, index, args });
        socket.emit(event, ...args, ...(times > 1 ? [index] : []), ...(ack ? [answer] : []));
      }
      return;
    default:
      throw new Error("unknown action " + what);
  }
}

// All clients and transports go through http.request.
function watchResponses() {
  subscribe("http.client.request.start", ({ request }) => {
    const tell = (response) => {
      const headers = {};
      for (let i = 0; i < response.rawHeaders.length; i += 2) {
        (headers[response.rawHeaders[i].toLowerCase()] ??= []).push(response.rawHeaders[i + 1]);
      }
      const { method, path } = request;
      const cookie = [request.getHeader("cookie") ?? []].flat().join("; ");
      say({ type: "response", method, path, status: response.statusCode, headers, cookie });
    };
    request.on("response", tell).on("upgrade", tell);
  });
}

async function start(first, atBound) {
  scenario = first;
  setTimeout(() => {
    say({ type: "bound" });
    process.exit(atBound);
  }, scenario.bound ?? 20000);
  if (scenario.client === 2) {
    delete globalThis.WebSocket; // of Node 22 on; it takes no headers, and this version would prefer it to ws
  }
  const module = await import("client" + scenario.client);
  library = module.Manager ? module : module.default;
  if (scenario.responses) {
    watchResponses();
  }
  if (scenario.tokens && scenario.client === 2) {
    scenario.options = { ...scenario.options, query: { token: await getToken(false) } };
  }
  open();
  run(scenario.actions);
}

if (process.argv[2]) {
  await start(parse(process.argv[2]), 0);
} else {
  let done = Promise.resolve();
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      done = done.then(() => (scenario ? act(parse(line)) : start(parse(line), 3)));
    })
    .on("close", () => done.then(() => process.exit(0)));
}
