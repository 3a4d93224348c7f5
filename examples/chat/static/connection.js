import * as account from "./account.js";

const CALM = 10_000; // ms: a connection that lasts as long clears the record
const LONGEST = 30_000; // ms between two attempts, unless the server asks for more

// createConnection returns a socket that stays in for as long as its user wants,
// and what the page does with it. The page has
//
//	automatic()       whether tokens are to be refreshed
//	room()            in which room the visitor is, or would be
//	status(text)      what the connection is doing
//	waits(why, ms)    it comes back by itself, after so long
//	expires(time)     when the token does; Infinity: it does not
//	refreshed(why)    a token was refreshed, or why not
//	gone(why, guest)  refused for good, until the page calls enter
export function createConnection(page) {
  const socket = io({ autoConnect: false });
  let guest; // the nickname of a guest; undefined for a user
  let grant; // a token that was not used yet
  let attempt; // the latest one to connect
  let attempts = 0; // in a row
  let inside = false; // we have been in since enter
  let leaving = false; // signOut is under way
  let since = 0; // when the socket connected
  let kicked; // why it is about to be disconnected
  let expiring = false; // the server has warned of it
  let timer = 0;

  // Asked for each attempt, also when the client reconnects by itself: a token is
  // never older than the connection.
  socket.auth = async (send) => {
    const ours = (attempt = {});
    if (guest !== undefined) return send({ nickname: guest, room: page.room() });
    try {
      const { token, expiresInMs } = grant ?? (await account.freshToken());
      grant = undefined;
      if (ours !== attempt) return; // that connection is lost
      expiring = false;
      page.expires(Date.now() + expiresInMs);
      send({ token, room: page.room() });
    } catch (why) {
      if (ours === attempt) refused(why);
    }
  };

  socket.on("connect", () => {
    inside = true;
    since = Date.now();
    kicked = undefined;
    const { engine } = socket.io;
    page.status(`Online (${engine.transport.name})`);
    engine.once("upgrade", (transport) => page.status(`Online (${transport.name})`));
  });

  socket.on("connect_error", (err) => {
    const why = refusal(err);
    if (why) refused(why); // and not by the client's own clock
    else page.status("The server cannot be reached; trying again"); // the client does
  });

  // Comes just before the server disconnects us.
  socket.on("kicked", (why) => { kicked = why; });

  socket.on("disconnect", (reason) => {
    if (Date.now() - since > CALM) attempts = 0;
    if (reason === "io client disconnect") return;
    if (socket.active) page.status("Connection lost; trying again"); // the client does
    else refused(kicked ?? { code: "unavailable", retryable: true });
  });

  // Decides what becomes of a refusal, which is final for the client: come back,
  // now or later, or give up.
  function refused(why) {
    if (leaving) return;
    const expired = why.code === "token_expired" && page.automatic();
    if (!expired && !(why.retryable && (inside || guest === undefined))) {
      leave();
      page.gone(why, guest !== undefined);
      return;
    }
    socket.disconnect();
    // Never sooner than asked, and not all clients at once.
    const pause = expired && attempts === 0 ? 0 : Math.min(LONGEST, 1000 * 2 ** attempts);
    const delay = Math.max(pause, why.retryAfterMs ?? 0) * (1 + Math.random() / 2);
    attempts++;
    page.waits(why, delay);
    clearTimeout(timer);
    timer = setTimeout(() => {
      page.status("Connecting");
      socket.connect();
    }, Math.min(delay, 2 ** 31 - 1)); // which is the most that a timer takes
  }

  // ---- The token, while connected

  socket.on("auth:expiring", () => {
    expiring = true;
    if (page.automatic()) refresh();
  });

  // Sends a new token over the same connection. If it fails, expiry takes its
  // course.
  async function refresh() {
    const ours = attempt;
    try {
      const { token } = await account.freshToken();
      if (ours !== attempt || !socket.connected) return;
      const answer = await socket.timeout(10_000).emitWithAck("auth:refresh", token);
      if (answer.code) throw answer;
      expiring = false;
      page.expires(answer.ttlMs === null ? Infinity : Date.now() + answer.ttlMs);
      page.refreshed();
    } catch (why) {
      if (ours !== attempt || !why.code) return; // that connection is lost
      page.refreshed(why);
      if (why.retryable) setTimeout(() => ours === attempt && refresh(), why.retryAfterMs ?? 2000);
    }
  }

  // ---- What the page does

  // A guest comes with a nickname, a user with a grant of the server's.
  function enter(who) {
    leave();
    ({ nickname: guest, grant } = who);
    page.expires(Infinity);
    page.status("Connecting");
    socket.connect();
  }

  function leave() {
    clearTimeout(timer);
    attempt = undefined;
    attempts = 0;
    inside = false;
    socket.disconnect();
  }

  // leave, but the others are told at once: else they are when we have not come back.
  async function goodbye() {
    const ours = attempt;
    if (socket.connected) await socket.timeout(2000).emitWithAck("leave").catch(() => {});
    if (ours === attempt) leave();
  }

  // The server disconnects us, as well as our other tabs.
  async function signOut(everywhere) {
    leaving = true;
    try {
      await account.signOut(everywhere);
      leave();
    } finally {
      leaving = false;
      if (inside && !socket.connected) socket.connect(); // it failed halfway
    }
  }

  // A page that the visitor has left may live on in the browser's cache, and its
  // connection with it.
  addEventListener("pagehide", () => {
    clearTimeout(timer);
    attempt = undefined;
    socket.disconnect();
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted && inside) socket.connect();
  });

  return { socket, enter, goodbye, signOut, refreshNow: () => expiring && refresh() };
}

// refusal returns what a middleware said, of Socket.IO in the data of the error
// or of HTTP in the body of the response, or nothing if the server was not reached.
function refusal(err) {
  if (err.data) return err.data;
  try {
    const why = JSON.parse(err.context.responseText);
    return why.code && isNaN(why.code) ? why : undefined; // numbers are of Engine.IO
  } catch {
    return undefined;
  }
}
