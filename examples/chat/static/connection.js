import * as account from "./account.js";

const CALM = 10_000; // ms: a connection that lasts longer resets the count
const LONGEST = 30_000; // ms: longest pause before jitter, unless the server asks for more

// createConnection returns a socket that stays connected for as long as its user wants,
// and functions that the page calls. The page provides
//
//	automatic()       returns whether tokens should be refreshed
//	room()            returns the room in which the visitor is, or wants to be
//	status(text)      shows what the connection is doing
//	waits(why, ms)    is told that the socket reconnects by itself, after that time
//	expires(time)     is told when the token expires; Infinity: never
//	refreshed(why)    is told that a token was refreshed, or why it was not
//	gone(why, guest)  is told of a final refusal: nothing happens until it calls enter
export function createConnection(page) {
  const socket = io({ autoConnect: false });
  let guest; // the nickname of a guest; undefined for a user
  let grant; // a token that has not been used yet
  let attempt; // the latest attempt to connect
  let attempts = 0; // in a row
  let inside = false; // we have been connected since enter
  let leaving = false; // signOut is under way
  let since = 0; // when the socket connected
  let kicked; // why the socket is about to be disconnected
  let expiring = false; // the server has announced that the token expires
  let timer = 0;

  // Called for each attempt, even when the client reconnects by itself, so that the token
  // is always fresh.
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
    if (why) refused(why); // which decides when to try again, not the client
    else page.status("The server cannot be reached; trying again"); // the client does so
  });

  // Comes just before the server disconnects us.
  socket.on("kicked", (why) => { kicked = why; });

  socket.on("disconnect", (reason) => {
    if (Date.now() - since > CALM) attempts = 0;
    if (reason === "io client disconnect") return;
    if (socket.active) page.status("Connection lost; trying again"); // the client does so
    else refused(kicked ?? { code: "unavailable", retryable: true });
  });

  // Decides what follows a refusal: come back, now or later, or give up. The client does
  // not try again by itself.
  function refused(why) {
    if (leaving) return;
    const expired = why.code === "token_expired" && page.automatic();
    if (!expired && !(why.retryable && (inside || guest === undefined))) {
      leave();
      page.gone(why, guest !== undefined);
      return;
    }
    socket.disconnect();
    // Never earlier than the server asks, and not all clients at once.
    const pause = expired && attempts === 0 ? 0 : Math.min(LONGEST, 1000 * 2 ** attempts);
    const delay = Math.max(pause, why.retryAfterMs ?? 0) * (1 + Math.random() / 2);
    attempts++;
    page.waits(why, delay);
    clearTimeout(timer);
    timer = setTimeout(() => {
      page.status("Connecting");
      socket.connect();
    }, Math.min(delay, 2 ** 31 - 1)); // the most that a timer accepts
  }

  // ---- The token, while connected

  socket.on("auth:expiring", () => {
    expiring = true;
    if (page.automatic()) refresh();
  });

  // Sends a new token over the same connection. If that fails, the old one expires as
  // usual.
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

  // A guest comes with a nickname, a user with a grant from the server.
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

  // Leaves, and tells the others at once. With leave alone, they are told only when we have
  // not come back for a while.
  async function goodbye() {
    const ours = attempt;
    if (socket.connected) await socket.timeout(2000).emitWithAck("leave").catch(() => {});
    if (ours === attempt) leave();
  }

  // The server disconnects this tab and our other ones.
  async function signOut(everywhere) {
    leaving = true;
    try {
      await account.signOut(everywhere);
      leave();
    } finally {
      leaving = false;
      if (inside && !socket.connected) socket.connect(); // it failed halfway through
    }
  }

  // The browser's cache may keep a page alive that the visitor has left, along with its
  // connection.
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

// refusal returns what a middleware said: one of Socket.IO in the data of the error, one
// of HTTP in the body of the response. It returns undefined if the server was not reached.
function refusal(err) {
  if (err.data) return err.data;
  try {
    const why = JSON.parse(err.context.responseText);
    return why.code && isNaN(why.code) ? why : undefined; // a number is a code of Engine.IO
  } catch {
    return undefined;
  }
}
