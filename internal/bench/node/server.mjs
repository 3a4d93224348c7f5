// The same server as stack.go's "full", on Node, put together as the documentation of
// each package says. Commands come on stdin, as in serve.go.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { memoryUsage } from "node:process";
import session from "express-session";
import jwt from "jsonwebtoken";
import pino from "pino";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { Server } from "socket.io";

const secret = process.env.BENCH_SECRET;
const count = { live: 0, connected: 0, known: 0, events: 0 };

// A file, like the log of the Go server: each record is a system call.
const log = pino(pino.destination("/dev/null"));

// Limits that never refuse.
const attempts = new RateLimiterMemory({ points: 1e6, duration: 1 });
const events = process.env.BENCH_NO_EVENT_LIMIT ? null : new RateLimiterMemory({ points: 1e8, duration: 1 });

const sessions = session({
  name: "sid",
  secret,
  resave: false,
  saveUninitialized: true,
  cookie: { maxAge: 3600_000 },
});

const http = createServer((req, res) => {
  const url = new URL(req.url, "http://localhost");
  if (req.method !== "POST" || url.pathname !== "/login") {
    res.writeHead(404).end();
    return;
  }
  sessions(req, res, (err) => {
    if (err) {
      res.writeHead(500).end();
      return;
    }
    req.session.user = url.searchParams.get("user");
    res.writeHead(200).end();
  });
});

const io = new Server(http);

io.engine.use((req, res, next) => {
  // On the handshake only, as the documentation of Socket.IO shows.
  if (req._query.sid === undefined) {
    sessions(req, res, next);
  } else {
    next();
  }
});

const begin = new WeakMap();
const conn = (socket) => ({
  id: socket.id,
  namespace: socket.nsp.name,
  addr: socket.handshake.address,
  transport: socket.conn.transport.name,
  user: socket.data.user,
});
const refuse = (socket, next, code, cause) => {
  log.warn({ conn: conn(socket), code, err: cause }, "socket refused");
  const err = new Error(code);
  err.data = { code };
  next(err);
};

io.use(async (socket, next) => {
  begin.set(socket, performance.now());
  try {
    await attempts.consume(socket.handshake.address);
  } catch (cause) {
    return refuse(socket, next, "rate_limited", cause);
  }
  next();
});

io.use((socket, next) => {
  jwt.verify(socket.handshake.auth.token, secret, { algorithms: ["HS256"] }, (cause, claims) => {
    if (cause) {
      return refuse(socket, next, "token_invalid", cause);
    }
    socket.data.claims = claims;
    socket.data.user = claims.sub;
    next();
  });
});

io.on("connection", (socket) => {
  const came = performance.now();
  count.live++;
  count.connected++;
  if (socket.data.claims?.sub && socket.request.session?.user) {
    count.known++;
  }
  socket.join(`user:${socket.data.user}`);
  log.info(
    { conn: conn(socket), user_agent: socket.handshake.headers["user-agent"], took: came - begin.get(socket) },
    "socket connected",
  );
  if (events) {
    socket.use(async (event, next) => {
      try {
        await events.consume(socket.handshake.address);
      } catch (cause) {
        const ack = event.at(-1);
        if (typeof ack === "function") {
          ack({ code: "rate_limited", retryAfterMs: cause.msBeforeNext });
        }
        return;
      }
      next();
    });
  }
  socket.on("echo", (...args) => {
    count.events++;
    const ack = args.pop();
    if (typeof ack === "function") {
      ack(...args);
    }
  });
  socket.on("disconnect", (reason) => {
    count.live--;
    log.info({ conn: conn(socket), reason, duration: performance.now() - came }, "socket disconnected");
  });
});

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

http.listen(0, "127.0.0.1", () => say({ url: `http://127.0.0.1:${http.address().port}` }));

createInterface({ input: process.stdin })
  .on("line", (line) => {
    if (line === "count") {
      say(count);
      return;
    }
    if (line === "memory") {
      globalThis.gc();
      globalThis.gc();
      const m = memoryUsage();
      say({ ...count, heap: m.heapUsed + m.external });
      return;
    }
    say({ ...count, error: `unknown command ${line}` });
  })
  .on("close", () => process.exit(0));
