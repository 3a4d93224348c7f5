// Package session attaches the sessions of a gorilla/sessions store to the sockets of
// a Socket.IO server: the sessions that HTTP handlers use, loaded on the handshake,
// and kept up to date for as long as the connection lives.
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
// Any store works that has one cookie per session: cookies, files, redistore and the rest.
// None of them is made for a connection that outlives its request, or for two requests at a
// time; this package sees to that. It never hands the handshake's request to a store, since
// gorilla's stores change it: a store gets a request of its own, with that cookie, the Host
// and a live context, and no other header. The package holds one lock per session, loads a
// session again before each change, and does not wait for a store that hangs.
//
// # Where in the chain
//
// [Manager.Handler] goes into wrap.Handler, behind what limits rates: a client without a
// session gets one, which the store has to keep. [Manager.Middleware] goes in front of
// what uses the session. HTTP handlers that change sessions are best put behind Handler
// too, and use [Manager.FromContext]: they then share the lock with the sockets. (Not
// the one that signs people in, under Refuse: Handler would refuse them.) After a
// sign-in call [Manager.Renew], or from a socket [Session.Renew].
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
// New clients are refused, with code unavailable: letting them in without their
// session would make them somebody else. Connected clients stay, with the values that
// were read last; no outage that the store reports ends a session. [Session.Update]
// and [Session.Reload] return [ErrUnavailable] after Options.Timeout. While a call of
// the store hangs, its session stays locked, so that a late save overwrites nothing.
// The call also holds one of the 256 places that all calls share.
//
// # Limits
//
// A lock of this process does not keep another node, or a handler that saves by itself,
// from saving the session at the same moment: the later one wins, as always with gorilla.
// Such a handler can also bring back a session that [Manager.Destroy] has ended, if it
// loaded it before; the nodes that were notified refuse it for a minute or two.
//
// What an HTTP handler changes is seen at the next look at the store (Options.Check) or
// after [Session.Reload]. Gorilla's stores do not keep MaxAge and the other options that
// a handler sets for one session: what is saved from a socket has those of the store. A
// store whose MaxAge is 0 deletes what is saved with it, so such a session can be read
// but not changed. What sockets do prolongs the session, but not the cookie in the
// browser. Of the cookies that connections have brought, the newest counts: when the
// store finds that one too old, the session ends for its sockets.
//
// Sessions in a CookieStore are those of their cookies: sockets with two cookies of one
// session have two Sessions, in one room. A session that an HTTP handler has created
// without [Manager.Renew] has no ID, and is known by its cookie alone. Such a cookie
// contains nothing random: two visitors may have the same one, and Destroy reaches both. A
// logout by gorilla's own means reaches no sockets.
//
// Errors that cannot be told from an outage, such as a value that is too large for
// redistore, are [ErrUnavailable]. A store that returns a new session and no error while
// it is away, as gormstore does, or a FilesystemStore whose directory is not mounted,
// says that all sessions have ended: their sockets are disconnected. Two processes must
// not share the directory of a FilesystemStore: it reads files that are being written as
// empty. Of several cookies with one name the first counts, as for gorilla: a name that
// begins with "__Host-" cannot be planted by another host of the domain. A client whose
// connection was lost comes back with its state if connection state recovery has it,
// even after its session has got a new ID elsewhere: it is then refused with code
// forbidden, and needs a new client object.
//
// Three values are added to sessions, "sioware:saved", "sioware:given" and, if a store
// gives no ID, "sioware:id"; [Session.Get] and [Session.Update] do not show them.
// FilesystemStore never deletes files.
package session
