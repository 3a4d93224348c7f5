// Keeps a socket of socket.io-client 4 in the session of its browser, on a server with
// sioware/session:
//
//	const socket = io({ autoConnect: false });
//	const claim = withSession(socket, (code) => location.assign("/login"));
//	socket.connect();
//	await claim(await socket.emitWithAck("login", password));
//
// It connects again when the session has a new ID, or when the server could not look it
// up. onSignedOut(code) is told why there is no session. claim posts a ticket of
// Session.Renew, and resolves when the socket is back; if the ticket is refused, it rejects
// with an Error whose data is the refusal.

export function withSession(socket, onSignedOut) {
  let failures = 0; // in a row
  let claiming; // the answer to the latest ticket, which sets the new cookie
  let kicked; // why the socket is about to be disconnected
  let cut; // the connection was lost, perhaps because of the kick
  let timer;

  const refused = ({ code = "refused", retryable, retryAfterMs }) => {
    clearTimeout(timer);
    if (!retryable) return onSignedOut(code);
    const { engine } = socket.io; // has the old cookie; other namespaces may keep it open
    const pause = retryAfterMs ?? Math.min(30_000, 1000 * 2 ** failures++);
    timer = setTimeout(async () => {
      await claiming;
      if (socket.active) return;
      if (code === "session_expired") engine.close();
      socket.connect();
    }, pause * (1 + Math.random() / 2)); // not all clients at once
  };

  socket.on("connect", () => {
    failures = 0;
    kicked = cut = undefined;
  });
  // An active socket has not been refused: the client tries again by itself.
  socket.on("connect_error", (err) => socket.active || refused(err.data ?? {}));
  socket.on("kicked", (why) => (kicked = why));
  socket.on("disconnect", (reason) => {
    // After any other reason the client comes back by itself, or is not meant to. A kick
    // may cut the connection first: then this event comes twice, and "kicked" perhaps too
    // late.
    if (reason !== "io server disconnect") cut = true;
    else if (kicked || cut) refused(kicked ?? { code: "unavailable", retryable: true });
  });

  return async function claim(ticket) {
    const back = new Promise((resolve) => socket.once("connect", resolve));
    const posted = fetch("/session", { method: "POST", body: ticket });
    claiming = posted.catch(() => {});
    const answer = await posted;
    if (!answer.ok) throw Object.assign(new Error("not claimed"), { data: await answer.json() });
    await back;
  };
}
