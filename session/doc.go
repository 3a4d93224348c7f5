// Package session attaches the sessions of a gorilla/sessions store to the sockets of
// a Socket.IO server: those that HTTP handlers use, loaded on the handshake, and kept
// right for as long as the connection lives.
//
//	sess, err := session.New(store, "sid", nil)
//	...
//	wrap.UseAll(io, sess.Middleware()) // io.Use covers "/" alone
//	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), sess.Handler))
//	http.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
//		_, err := sess.Destroy(r.Context(), w, r) // cookie, store, and every socket
//		...
//	})
//
//	io.On("connection", func(args ...any) {
//		s := args[0].(*socket.Socket)
//		mine, _ := sess.From(s)
//		name, ok := mine.Get("name")
//		...
//	})
//
// Any store works that has one cookie for a session: cookies, files, redistore and the rest.
// None of them is made for a connection that outlives its request, or for two requests at
// a time; this package sees to that. It never hands the handshake's request to a store,
// which gorilla's change: a store gets one of its own, which has that cookie, the Host and a
// live context, and no other header. It holds one lock for each session, loads it anew
// before each change, and waits for no store that hangs.
//
// # Where in the chain
//
// [Manager.Handler] goes into wrap.Handler, behind what limits rates: a client without
// a session gets one, which the store has to keep. [Manager.Middleware] goes in front
// of what uses the session. HTTP handlers that change sessions are best put behind
// Handler too, and use [Manager.FromContext]: they then share the lock with the sockets.
// (Not the one that signs people in, under Refuse: it would refuse them.)
// After a sign-in call [Manager.Renew], or from a socket [Session.Renew].
//
// # What clients see
//
// A refused handshake is an HTTP answer, a refused CONNECT a connect_error, and a socket
// whose session ends later gets the event "kicked" and is disconnected, all with the
// data
//
//	{code, message, retryable, retryAfterMs?}
//
//	code             status
//	session_missing  401     there is no session, under Refuse, or nothing to make one
//	session_expired  401     the session has ended: logged out, too old, or given a new
//	                         ID, when it has retryAfterMs
//	origin_denied    403     a page of another site
//	unavailable      503     the store does not answer
//	forbidden        403     state recovery with another session; a ticket of another's
//	internal         500     our fault
//
// A client whose session has been given a new ID connects again after retryAfterMs,
// with the new cookie.
//
// # When the Store is away
//
// New clients are refused, with code unavailable: to let them in without their session
// would be to make them somebody else. Those that are connected stay, with the values
// that were read last; no outage that the store tells of ends a session.
// [Session.Update] and [Session.Reload] return [ErrUnavailable] after Options.Timeout.
// While a call of the store hangs its session stays locked, so that a late save
// overwrites nothing. It also holds one of the 256 places that all calls share.
//
// # Limits
//
// A lock of this process does not keep another node, or a handler that saves by itself,
// from saving the session at the same moment: the later one wins, as ever with gorilla.
// Such a handler can also bring back what [Manager.Destroy] has ended, if it has loaded
// it before; the nodes that were told refuse it for a minute or two.
//
// What an HTTP handler changes is seen at the next look at the store (Options.Check) or
// after [Session.Reload]. MaxAge and the other options that a handler has set for one
// session are not kept by gorilla's stores: what is saved from a socket has those of
// the store. A store whose MaxAge is 0 deletes what is saved with it, so that such a
// session can be read, and not be changed. The cookie in a browser is not prolonged by
// what sockets do, only the session. Of the cookies that connections have brought the
// newest counts: when its store finds that one too old the session ends for its sockets.
//
// Sessions that a CookieStore keeps are those of their cookies: sockets with two cookies of
// one session have two Sessions, in one room. One that an HTTP handler has made without
// [Manager.Renew] has no ID, and is known by its cookie alone. That holds nothing random:
// two visitors may have the same one, and Destroy reaches both. A logout by gorilla's own
// means reaches none.
//
// Faults that a store does not tell from an outage, such as a value that is too large
// for redistore, are [ErrUnavailable]. A store that returns a new session and no error
// while it is away, as gormstore does, or a FilesystemStore whose directory is not
// mounted, says that all sessions have ended: their sockets are put out. Two processes
// must not share the directory of a FilesystemStore: it reads files that are being
// written as empty. Of several cookies of one name the first counts, as for gorilla: a
// name that begins with "__Host-" cannot be planted by another host of the domain. A
// client whose connection was lost comes back with what connection state recovery has of
// it, also after its session has got a new ID elsewhere: it is refused with code
// forbidden then, and needs a new client object.
//
// Three values are added to sessions, "sioware:saved", "sioware:given" and, where a store
// gives no ID, "sioware:id"; [Session.Get] and [Session.Update] do not show them.
// FilesystemStore never deletes files.
package session
