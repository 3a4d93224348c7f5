// Package presence knows who is online: users, not sockets, over all of their tabs and all
// nodes of a deployment.
//
//	online, err := presence.New(auth.Subject, nil) // who a socket belongs to
//	...
//	wrap.UseAll(io, online.Middleware()) // behind what finds out who they are
//	online.Broadcast("online")
//
//	io.On("connection", func(args ...any) {
//		s := args[0].(*socket.Socket)
//		online.Join(ctx, s, "lobby", map[string]any{"color": "red"})
//		...
//	})
//
//	all, err := online.Status(ctx, "alice", "bob")
//	io.To(online.Room("alice")).Emit("message", text) // on all of her devices
//	online.Kick(ctx, "alice", presence.Except(s))     // sign out everywhere else
//
// # What counts
//
// A device is a connection of a user: its sockets, in all namespaces, count as one, and
// never by their IDs, which change with each reconnect. A user is online from his first
// device to Options.Grace (15 seconds) after the last: a page that reloads, a train in a tunnel, a server
// that restarts are seen by nobody. What a middleware refuses, or what breaks before the
// host has connected it, never counts. But a CONNECT to another namespace that is under way
// keeps a device that is online until its middlewares have decided.
//
// Who a socket belongs to is asked once. Under jwtauth.Downgrade a socket becomes a guest when
// its token expires, and its device would go on being the user's, and get what is sent to his
// [Tracker.Room]: let jwtauth's Options.Changed call Leave(ctx, s, "") where the new identity
// is nil. The device does not count again then before the client's next connection, though
// a refresh makes it the same user again.
//
// The same holds for rooms: a user is a member of a room as long as a device of his has
// joined it by [Tracker.Join], and for the grace after that, unless he has left it by
// [Tracker.Leave], which also takes a whole device out where somebody signs out. Who comes
// back joins again; if he does so in time he was never away.
//
// # What is told
//
// [Tracker.Watch] calls a function with each change, [Tracker.Broadcast] sends the members
// of a room to its sockets. Of one user in one room the changes come in order, numbered, and
// alternate: he comes once and goes once, however many tabs close on however many nodes at
// the same moment, and whatever became of the node that they were on. What has been lost on
// the way is made up for.
//
// # Kicks
//
// [Tracker.Kick], and Options.MaxDevices under [NewestWins], end devices on whichever node
// they are. Their clients get
//
//	"kicked" {code: "replaced", message, retryable: false, reason?}
//
// with the message "Disconnected by the server" or, where it was the limit, "Signed in
// elsewhere", and the end of the namespace; official clients do not come back by
// themselves. A kick is kept in the Store until the device's node has carried it out, so
// that none is lost with a message. What was kicked is not online from the moment of the
// kick; a member of its rooms it is until its node has heard of it or, if that is dead,
// until its seats have been given up and the grace has passed.
//
// # What clients see
//
// A refused CONNECT is a connect_error with the data {code, message, retryable}:
//
//	code                  retryable
//	too_many_connections  true       the user has Options.MaxDevices, under OldestWins
//	replaced              false      a device that has been kicked joins another namespace
//	forbidden             false      an unusable ID; state recovery of another user's socket
//	unavailable           true       the Tracker is closed
//	internal              false      our fault
//
// # Stores
//
// Without Options.Store the users of one process are kept in memory. Package redisstore
// keeps those of many in Redis; package storetest holds a Store of your own against the
// contract.
//
// When the Store is away, sockets are let in, what is asked is answered with what this
// process knows, and says so (Status.Stale, [ErrStale]); nobody goes offline because of it. When
// it is back it is told who is there, and functions given to Watch are told what has become
// different meanwhile. No queue grows: what a Store is told then is how things are, not how
// they came to be.
//
// # Limits
//
// A connection that breaks without a word is noticed after the host's ping interval and
// timeout (45 seconds); then the grace runs, and until then it is one of MaxDevices. The
// number of users and rooms is the application's to bound: each takes room in the Store.
// [Tracker.Room] has nobody in it before "connection". IDs of users, names of rooms and metadata are shown to others as they are: it is
// for the page not to take them for HTML, or for keys of an object that has a prototype.
//
// [Tracker.Broadcast] names members by the IDs of their users, and sends to each socket of
// a room by itself: that suits rooms of up to some thousands. For larger ones use Count and
// Members, when somebody looks.
package presence
