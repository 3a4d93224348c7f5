// Package presence knows who is online: users, not sockets, across all of their tabs and
// all nodes of a deployment.
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
// A device is a connection of a user: its sockets, in all namespaces, count as one device,
// and are never identified by their IDs, which change with each reconnect. A user is online
// from the first device until Options.Grace (15 seconds) after the last one: nobody sees a
// page that reloads, a train in a tunnel, or a server that restarts. What a middleware
// refuses, or what breaks before the host has connected it, never counts. But a CONNECT to
// another namespace that is under way keeps an online device online until its middlewares
// have decided.
//
// Who a socket belongs to is asked only once. Under jwtauth.Downgrade a socket becomes a
// guest when its token expires, but its device would go on being the user's, and get what
// is sent to the user's [Tracker.Room]: let jwtauth's Options.Changed call Leave(ctx, s,
// "") when the new identity is nil. The device then does not count again before the
// client's next connection, even if a refresh makes it the same user again.
//
// The same holds for rooms: a user is a member of a room as long as one of the user's
// devices has joined it with [Tracker.Join], and for the grace after that, unless the user
// has left it with [Tracker.Leave], which also takes out a whole device when somebody signs
// out. A client that comes back joins again; if it does so in time, its user was never away.
//
// # Notifications
//
// [Tracker.Watch] calls a function with each change, and [Tracker.Broadcast] sends the
// members of a room to its sockets. The changes of one user in one room come in order,
// numbered, and alternate: a user comes once and goes once, however many tabs close on
// however many nodes at the same moment, and whatever happened to their nodes. What is lost
// on the way is made up for.
//
// # Kicks
//
// [Tracker.Kick], and Options.MaxDevices under [NewestWins], end devices on whichever node
// they are. Their clients get
//
//	"kicked" {code: "replaced", message, retryable: false, reason?}
//
// with the message "Disconnected by the server" or, if it was the limit, "Signed in
// elsewhere", and then the end of the namespace; official clients do not come back by
// themselves. Under [OldestWins], a device that was let in but then finds no room gets the
// event with the code too_many_connections, which is retryable. A kick is kept in the Store
// until the device's node has carried it out, so no kick is lost with a message. A kicked
// device is not online from the moment of the kick; it remains a member of its rooms until
// its node has learned of the kick or, if that node is dead, until its seats have been given
// up and the grace has passed.
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
// keeps those of many processes in Redis; package storetest tests a Store of your own
// against the contract.
//
// When the Store is away, sockets are let in, and questions are answered with what this
// process knows, which the answers say (Status.Stale, [ErrStale]); nobody goes offline
// because of it. When the Store is back it is told who is there, and functions given to
// Watch are told what has changed meanwhile. No queue grows: what a Store is told then is
// the current state, not how it came about.
//
// # Limits
//
// A connection that breaks silently is noticed after the host's ping interval and timeout
// (45 seconds); then the grace begins. Until it is noticed it counts towards MaxDevices. It
// is up to the application to bound the number of users and rooms: each takes space in the
// Store. [Tracker.Room] has nobody in it before "connection". IDs of users, names of rooms
// and metadata are shown to others as they are: the page must not treat them as HTML, or as
// keys of an object that has a prototype.
//
// [Tracker.Broadcast] names members by their user IDs, and sends to each socket of a room
// separately: that suits rooms of up to some thousands. For larger ones use Count and
// Members on demand.
package presence
