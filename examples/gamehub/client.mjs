// The client, as a page of the mini program uses it:
//
//	import io from "./weapp.socket.io.js";
//	const socket = enter(io, wx, "https://hub.example.com", token, (why) => ...);
//
// io is that of socket.io-client 2. signedOut(why) is called when the connection has ended
// and does not come back by itself: why.code says what to do.

export function enter(io, wx, baseURL, token, signedOut) {
  const socket = io(`${baseURL}/user?token=${token}`, { transports: ["websocket"], forceNew: true });
  const badge = (text) => wx.setTabBarBadge({ index: 2, text });
  let kicked; // why the socket is about to be disconnected

  const out = (why) => {
    socket.close(); // otherwise the library goes on trying with a bad token
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
    // After any other reason the library reconnects by itself: calling socket.connect()
    // here would get in its way.
    if (reason === "io server disconnect") out(kicked ?? { code: "unavailable", retryable: true });
  });
  socket.on("error", (why) => {
    if (why.code) out(why); // otherwise it is from the transport, and the library tries again
  });
  return socket;
}
