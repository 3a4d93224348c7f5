// The client, as a page of the mini program uses it:
//
//	import io from "./weapp.socket.io.js";
//	const socket = enter(io, wx, "https://hub.example.com", token, (why) => ...);
//
// io is that of socket.io-client 2. signedOut(why) is told when the connection has ended
// and does not come back by itself: why.code says what to do.

export function enter(io, wx, baseURL, token, signedOut) {
  const socket = io(`${baseURL}/user?token=${token}`, { transports: ["websocket"], forceNew: true });
  const badge = (text) => wx.setTabBarBadge({ index: 2, text });
  let kicked; // why it is about to be disconnected

  const out = (why) => {
    socket.close(); // else the library goes on with a token that is no good
    if (why.retryable) {
      setTimeout(() => socket.open(), why.retryAfterMs ?? 1000 + 4000 * Math.random());
    } else {
      signedOut(why);
    }
  };
  socket.on("connect", () => {
    kicked = undefined;
    badge("1");
  });
  socket.on("beat_req", () => socket.emit("beat_res"));
  socket.on("kicked", (why) => (kicked = why));
  socket.on("disconnect", (reason) => {
    badge("0");
    // Whatever else has happened, the library connects again: a call of socket.connect()
    // here would get into its way.
    if (reason === "io server disconnect") out(kicked ?? { code: "unavailable", retryable: true });
  });
  socket.on("error", (why) => {
    if (why.code) out(why); // else it is of the transport, and the library tries again
  });
  return socket;
}
