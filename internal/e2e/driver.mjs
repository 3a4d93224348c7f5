// Runs one of the official Socket.IO clients and prints what it observes, as lines
// of JSON. The tests in this folder start it; README.md says how to run it by hand.
//
//	node driver.mjs '<scenario>'    ends when its time is up (bound)
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
//	tokens      URL that returns a token as JSON. Version 4 fetches one for each
//	            CONNECT to "/" (auth), version 2 before its first handshake (query)
//	recipe      true: recipe_auth.mjs does that, and reconnects; its onSignedOut is
//	            observed as "signed_out"
//	limits      true: recipe_limit.mjs reconnects; its onRefused is observed as "refused".
//	            With recipe, which reconnects by itself, only its heed is used
//	pages       URL of a web server: cookies are kept as in a browser, and sent by all
//	            connections and by fetch, which takes paths on that server
//	sessions    true: recipe_session.mjs reconnects; its onSignedOut is observed as
//	            "signed_out"
//	bound       milliseconds until the process ends in any case, default 20000
//
// action: {do, conn, nsp}, conn being the number of the connection, default 0
//	open                                another connection of the same scenario
//	emit {event, args, ack, times}      with ack: observed as "ack"
//	connect, disconnect                 the socket of nsp
//	request {event, args, times}        that of recipe_limit.mjs: observed as "answer" or
//	                                    "failed"
//	pause {ms}                          observed as "paused" when over
//	renew                               connect the socket of nsp with a new token
//	leave                               that of the recipe
//	fetch {method, path, body}          from the server of pages: observed as "fetched"
//	claim {event, args}                 emit, then the claim of recipe_session.mjs with
//	                                    the ticket in the ack: observed as "claimed" or
//	                                    "failed"
//
// {"$binary": base64} stands for a Buffer in args, in both directions.

import { subscribe } from "node:diagnostics_channel";
import { createInterface } from "node:readline";
import { authenticate } from "./recipe_auth.mjs";
import { comeBack, heed, request } from "./recipe_limit.mjs";
import { withSession } from "./recipe_session.mjs";

const say = (record) => process.stdout.write(JSON.stringify(record, hide) + "\n");

// hide runs after Buffer.toJSON, so it looks for the original value in the holder.
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

// told returns what an error of a transport says: an HTTP status code, or the
// message of the underlying error.
function told(description) {
  return typeof description === "object" ? description?.message : description;
}

// explain describes the argument of connect_error, reconnect_error and the "error"
// of version 2: an Error, or the server's data as it is.
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

// getToken stands for that of an application.
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

function keepLimits(socket, conn) {
  if (scenario.limits && scenario.recipe) {
    heed(socket.io);
  } else if (scenario.limits) {
    socket.leave = comeBack(socket, (why) => say({ type: "refused", conn, nsp: socket.nsp, data: why }));
  }
}

function keepSession(socket, conn) {
  if (scenario.sessions) {
    const signedOut = (code) => say({ type: "signed_out", conn, nsp: socket.nsp, reason: code });
    socket.claim = withSession(socket, signedOut);
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
    keepLimits(socket, conn);
    keepSession(socket, conn);
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

function act({ do: what, conn = 0, nsp = "/", event, args = [], ack, times = 1, ms, method, path, body }) {
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
    case "fetch":
      return fetch(path, { method, body }).then(async (response) => say({
        type: "fetched", method, path, status: response.status, body: await response.text(),
        headers: { "set-cookie": response.headers.getSetCookie() },
      }));
    case "claim":
      return socket.emit(event, ...args, (ticket) => socket.claim(ticket).then(
        () => say({ type: "claimed", conn, nsp }),
        (err) => say({ type: "failed", conn, nsp, ...explain(err) }),
      ));
    case "renew":
      return getToken(true).then((token) => {
        if (scenario.client === 4) {
          socket.auth = { token };
        } else {
          socket.io.opts.query = { token };
        }
        socket.connect();
      });
    case "request":
      for (let index = 0; index < times; index++) {
        request(socket, event, ...args, ...(times > 1 ? [index] : [])).then(
          (answer) => say({ type: "answer", conn, nsp, event, index, args: [answer] }),
          (err) => say({ type: "failed", conn, nsp, event, index, ...explain(err) }),
        );
      }
      return;
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
function watchResponses(see) {
  subscribe("http.client.request.start", ({ request }) => {
    const tell = (response) => {
      const headers = {};
      for (let i = 0; i < response.rawHeaders.length; i += 2) {
        (headers[response.rawHeaders[i].toLowerCase()] ??= []).push(response.rawHeaders[i + 1]);
      }
      see(request, response.statusCode, headers);
    };
    request.on("response", tell).on("upgrade", tell);
  });
}

function tellResponse(request, status, headers) {
  const { method, path } = request;
  const cookie = [request.getHeader("cookie") ?? []].flat().join("; ");
  say({ type: "response", method, path, status, headers, cookie });
}

// keepCookies does what a browser does, but ignores the attributes of cookies except
// Max-Age=0. All requests of all connections share the object extraHeaders.
function keepCookies() {
  const jar = new Map();
  const extraHeaders = {};
  scenario.options = { ...scenario.options, extraHeaders };
  const keep = (lines = []) => {
    for (const line of lines) {
      const [cookie, ...attributes] = line.split("; ");
      const name = cookie.split("=", 1)[0];
      jar.delete(name);
      if (!attributes.includes("Max-Age=0")) {
        jar.set(name, cookie);
      }
    }
    delete extraHeaders.Cookie;
    if (jar.size > 0) {
      extraHeaders.Cookie = [...jar.values()].join("; ");
    }
  };
  watchResponses((request, status, headers) => keep(headers["set-cookie"]));
  const { fetch } = globalThis;
  globalThis.fetch = async (path, options) => {
    const headers = { ...options?.headers, ...extraHeaders };
    const response = await fetch(new URL(path, scenario.pages), { ...options, headers });
    keep(response.headers.getSetCookie());
    return response;
  };
}

async function start(first, atBound) {
  scenario = first;
  setTimeout(() => {
    say({ type: "bound" });
    process.exit(atBound);
  }, scenario.bound ?? 20000);
  if (scenario.client === 2) {
    delete globalThis.WebSocket; // in Node 22 and later; it takes no headers, and this version would prefer it to ws
  }
  const module = await import("client" + scenario.client);
  library = module.Manager ? module : module.default;
  if (scenario.responses) {
    watchResponses(tellResponse);
  }
  if (scenario.pages) {
    keepCookies();
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
