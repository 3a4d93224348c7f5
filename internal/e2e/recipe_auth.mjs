// Keeps a socket of socket.io-client 4 signed in, on a server with sioware/jwtauth:
//
//	const socket = io(url, { autoConnect: false });
//	const leave = authenticate(socket, getToken, (code) => showSignIn(code));
//	socket.connect();
//
// getToken(renew) resolves to the user's token: the one at hand, or a new one if
// renew is true. It resolves to null if nobody is signed in, and rejects if it
// cannot find out now. onSignedOut(code) is told why the server refuses this user;
// once that has changed, call socket.connect() again. leave() disconnects, and ends
// all attempts to connect.

const CALM = 60_000; // ms: a connection that lasts longer resets the count
const LONGEST = 30_000; // ms: longest pause before jitter, unless the server asks for more

export function authenticate(socket, getToken, onSignedOut) {
  let attempt; // the latest attempt to connect
  let attempts = 0; // how many were made here since the last calm connection
  let renew = false; // the token at hand is known to have expired
  let since = 0; // when the socket connected
  let kicked; // why the socket is about to be disconnected
  let cut; // the connection was lost, perhaps because of the kick
  let timer;

  const fetchToken = async (fresh) => getToken(fresh); // also rejects if getToken throws

  // The client calls this for each attempt, even when it reconnects by itself.
  socket.auth = async (send) => {
    const ours = (attempt = {});
    const token = await fetchToken(renew).catch(() => undefined);
    if (ours !== attempt) return; // that connection was lost meanwhile
    if (token !== undefined) return send({ token });
    socket.disconnect();
    refused({ code: "unavailable", retryable: true });
  };

  // Sends a new token over the same connection, before the old one expires or, where
  // the server allows it, afterwards. If that fails, the old one expires as usual.
  const refresh = async () => {
    const token = await fetchToken(true).catch(() => undefined);
    if (token && socket.connected) socket.emit("auth:refresh", token);
  };

  // Decides what follows a refusal: come back, at once or later, or give up.
  const refused = ({ code = "refused", retryable, retryAfterMs = 0 }) => {
    clearTimeout(timer);
    const expired = code === "token_expired" && !renew; // for a new token that is final
    if (!expired && !retryable) {
      attempts = 0;
      renew = false;
      return onSignedOut(code);
    }
    renew ||= expired;
    const pause = expired && attempts === 0 ? 0 : Math.min(LONGEST, 1000 * 2 ** attempts);
    attempts++;
    // Never earlier than the server asks, and not all clients at once.
    const delay = Math.max(pause, retryAfterMs) * (1 + Math.random() / 2);
    timer = setTimeout(() => socket.active || socket.connect(), delay);
  };

  socket.on("connect", () => {
    since = Date.now();
    renew = false;
    kicked = cut = undefined;
  });
  socket.on("connect_error", (err) => {
    // An active socket has not been refused: the client tries again by itself.
    if (!socket.active) refused(err.data ?? {});
  });
  socket.on("auth:expiring", refresh);
  socket.on("auth:expired", refresh);
  socket.on("kicked", (why) => (kicked = why));
  socket.on("disconnect", (reason) => {
    if (Date.now() - since > CALM) attempts = 0;
    // After any other reason the client comes back by itself, or is not meant to. A kick
    // may cut the connection first: then this event comes twice, and "kicked" perhaps too
    // late.
    if (reason !== "io server disconnect") cut = true;
    else if (kicked || cut) refused(kicked ?? { code: "unavailable", retryable: true });
  });

  return function leave() {
    clearTimeout(timer);
    attempt = undefined;
    socket.disconnect();
  };
}
