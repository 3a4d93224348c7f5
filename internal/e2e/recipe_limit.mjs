// Keeps a socket of socket.io-client 4 within the limits of a server with
// sioware/ratelimit:
//
//	const socket = io(url, { autoConnect: false });
//	const leave = comeBack(socket, (why) => showRefusal(why));
//	socket.connect();
//	const answer = await request(socket, "search", text);
//
// comeBack connects again when the socket was refused or kicked, as soon as the server
// allows it. onRefused(why) is told of refusals that waiting does not cure; why is the
// refusal. leave() disconnects, and ends all attempts to connect. request emits an event
// and resolves to its answer, the first argument of its ack. It repeats an event that was
// refused temporarily; otherwise it rejects with an Error whose data is the refusal, or,
// if no answer comes in time, with the Error of the client.
//
// recipe_auth.mjs comes back by itself: if you use its authenticate(socket, ...), call
// heed(socket.io) instead of comeBack(socket, ...).

const CALM = 60_000; // ms: a connection that lasts longer resets the count
const LONGEST = 30_000; // ms: longest pause before jitter, unless the server asks for more
const SPREAD = 500; // ms: clients refused together come back over at least this time
const ANSWER = 10_000; // ms to wait for the answer to an event
const TRIES = 8; // how often an event is sent at most
const PATIENCE = 60_000; // ms: longest wait before an event is sent again; else give up

export function comeBack(socket, onRefused) {
  let refusals = 0; // since the last calm connection
  let since = 0; // when the socket connected
  let kicked; // why the socket is about to be disconnected
  let cut; // the connection was lost, perhaps because of the kick
  let timer;

  const refused = (why) => {
    clearTimeout(timer);
    if (why.retryable) {
      timer = setTimeout(() => socket.active || socket.connect(), pause(why, ++refusals, SPREAD));
      return;
    }
    refusals = 0;
    socket.disconnect();
    onRefused(why);
  };

  socket.on("connect", () => {
    since = Date.now();
    kicked = cut = undefined;
  });
  socket.on("connect_error", (err) => {
    const why = refusal(err);
    // An active socket tries again by itself; heed decides when.
    if (!socket.active || why?.retryable === false) refused(why ?? { code: "refused", message: err.message });
  });
  socket.on("kicked", (why) => (kicked = why));
  socket.on("disconnect", (reason) => {
    if (Date.now() - since > CALM) refusals = 0;
    // After any other reason the client comes back by itself, or is not meant to. A kick
    // may cut the connection first: then this event comes twice, and "kicked" perhaps too
    // late.
    if (reason !== "io server disconnect") cut = true;
    else if (kicked || cut) refused(kicked ?? { code: "unavailable", retryable: true });
  });
  heed(socket.io);

  return function leave() {
    clearTimeout(timer);
    socket.disconnect();
  };
}

const heeding = new WeakSet();

// heed makes a manager wait as long as the server asks after it has refused a handshake.
// Over WebSocket no client can see what it asks.
export function heed(manager) {
  if (heeding.has(manager)) return;
  heeding.add(manager);
  const usual = [manager.reconnectionDelay(), manager.reconnectionDelayMax(), manager.randomizationFactor()];
  const pace = (least, most, jitter) => {
    manager.reconnectionDelay(least);
    manager.reconnectionDelayMax(most);
    manager.randomizationFactor(jitter);
  };
  let refusals = 0; // in a row
  manager.on("error", (err) => {
    const why = refusal(err);
    if (!(why?.retryAfterMs > 0)) return pace(...usual);
    const ms = pause(why, ++refusals, SPREAD);
    pace(ms, ms, 0);
  });
  manager.on("open", () => {
    refusals = 0;
    pace(...usual);
  });
}

const lines = new WeakMap(); // by socket: the last request of each event

// Requests with the same event wait for each other: they keep their order, and those
// that would be refused anyway are not sent.
export function request(socket, event, ...args) {
  if (!lines.has(socket)) lines.set(socket, new Map());
  const line = lines.get(socket);
  const turn = (line.get(event) ?? Promise.resolve()).then(
    () => persist(socket, event, args),
    () => persist(socket, event, args),
  );
  line.set(event, turn);
  return turn;
}

async function persist(socket, event, args) {
  for (let refusals = 1; ; refusals++) {
    const answer = await socket.timeout(ANSWER).emitWithAck(event, ...args);
    if (typeof answer?.code !== "string" || typeof answer.retryable !== "boolean") return answer;
    const ms = pause(answer, refusals);
    if (!answer.retryable || refusals === TRIES || ms > PATIENCE) {
      throw Object.assign(new Error(answer.message), { data: answer });
    }
    await new Promise((go) => setTimeout(go, ms));
  }
}

// pause returns how many milliseconds to wait after that many refusals in a row: never
// less than the server asks for, and a bit more. Clients behind one address share its
// limit, so of those that come back together only one gets in: the more often they are
// refused, the further they spread out.
function pause({ retryAfterMs }, refusals, spread = 0) {
  const ms = retryAfterMs ?? Math.min(LONGEST, 500 * 2 ** refusals);
  const more = Math.random() * Math.min(LONGEST, Math.max(spread, 0.1 * ms) * 2 ** refusals);
  return Math.min(Math.ceil(ms + more), 2 ** 31 - 1); // the most that timers accept
}

// refusal returns why an attempt to connect was refused, if that can be seen. For a
// CONNECT it is in the data; for a handshake over long-polling it is in the body or, if
// something in front of the server has answered, in Retry-After.
function refusal(err) {
  if (err.data) return err.data;
  const response = err.context;
  if (!(response?.status >= 400)) return undefined;
  try {
    const why = JSON.parse(response.responseText);
    if (typeof why.retryable === "boolean") return why;
  } catch {
    // not JSON
  }
  const after = response.getResponseHeader?.("retry-after");
  const ms = /^\d+$/.test(after) ? 1000 * after : Date.parse(after) - Date.now();
  return ms > 0 ? { code: `http_${response.status}`, retryable: true, retryAfterMs: ms } : undefined;
}
