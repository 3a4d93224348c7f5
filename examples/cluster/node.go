package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io-go-redis/adapter"
	"github.com/zishang520/socket.io-go-redis/types"
	"github.com/zishang520/socket.io/v2/socket"
)

const (
	// prefix is what the names of all our keys and channels in Redis begin with. Another
	// application in the same Redis needs another one.
	prefix = "cluster:"

	// lobby is the room that everybody is in.
	lobby = "lobby"

	patience   = 2 * time.Second // for one event
	timeout    = time.Second     // of one call of Redis; less, so that an outage is noticed
	maxPacket  = 16 << 10        // bytes that are read at a time
	maxPayload = 1000            // bytes of a private message
	maxNamed   = 100             // members that "who" names
)

// node is a server that shares its users with others.
type node struct {
	config
	log    *slog.Logger
	auth   *jwtauth.Auth[jwtauth.Claims]
	redis  *redis.Client
	store  *redisstore.Store
	online *presence.Tracker
	io     *socket.Server
	mute   context.CancelFunc // ends the subscriptions of the adapter
}

// newNode returns a node, which is to be closed. It does not ask Redis: one that is away
// when the node starts may come later.
func newNode(c config, log *slog.Logger) (*node, error) {
	n := &node{config: c, log: log}
	o, err := redis.ParseURL(c.redis)
	if err != nil {
		return nil, fmt.Errorf("-redis: %w", err)
	}
	o.ContextTimeoutEnabled = true // so that calls end when they are to

	// All nodes verify what any of them has signed.
	n.auth, err = jwtauth.New(jwtauth.HMAC(c.secret), &jwtauth.Options[jwtauth.Claims]{
		MaxLifetime: tokenLifetime + time.Second, // as exp is in whole seconds
		Logger:      log,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", envSecret, err)
	}
	n.redis = redis.NewClient(o)
	n.mute = func() {}

	// Who is online: the Store is what nodes share, the Tracker is this one's part in it.
	n.store, err = redisstore.New(n.redis, &redisstore.Options{Prefix: prefix + "presence:", Timeout: timeout, Lease: c.lease, Logger: log})
	if err != nil {
		n.close()
		return nil, err
	}
	n.online, err = presence.New(n.auth.Subject, &presence.Options{Store: n.store, Grace: c.grace, Timeout: patience, Logger: log})
	if err != nil {
		err = errors.Join(err, n.store.Close(context.Background()))
		n.close()
		return nil, err
	}
	n.online.Broadcast("online") // to the members of a room, who comes and who goes

	// What is sent to a room reaches its sockets on other nodes by the host's adapter.
	// It belongs into the options: a server that is made without it has made the adapters
	// of its namespaces. Harden sets what keeps broadcasts from getting lost, too.
	opts := wrap.Harden(nil)
	opts.SetMaxHttpBufferSize(maxPacket)
	opts.SetAdapter(n.adapter())
	n.io = socket.NewServer(nil, opts)

	// For every socket, in every namespace, in this order.
	wrap.UseAll(n.io,
		wrap.Require(),        // it came through wrap.Handler, so the HTTP middlewares ran
		n.auth.Middleware(),   // its token says who it is
		n.online.Middleware(), // it counts
	)
	_ = n.io.On("connection", func(args ...any) { n.enter(args[0].(*socket.Socket)) })
	return n, nil
}

// adapter returns the host's adapter for sharded channels, of the three that there are
// the one by which both io.Emit and io.To(room).Emit reach all nodes without further ado.
func (n *node) adapter() socket.AdapterConstructor {
	ctx, cancel := context.WithCancel(context.Background())
	n.mute = cancel
	client := types.NewRedisClient(ctx, n.redis)
	_ = client.On("error", complain(ctx, n.log))
	opts := &adapter.ShardedRedisAdapterOptions{}
	opts.SetChannelPrefix(prefix + "socket.io")
	return &adapter.ShardedRedisAdapterBuilder{Redis: client, Opts: opts}
}

// complain returns a listener for what goes wrong between the adapter and Redis. While
// Redis is away that is millions of times a second, as the adapter reads again at once
// (adapter/sharded-adapter.go:115 of v1.3.0): one in ten seconds is logged. The adapter
// waits for its listeners, so that this one also keeps it from burning a processor.
func complain(ctx context.Context, log *slog.Logger) func(...any) {
	const each, pause = 10 * time.Second, 50 * time.Millisecond
	var mu sync.Mutex
	var last time.Time
	var n int
	return func(args ...any) {
		if ctx.Err() != nil {
			return // it is us who leave
		}
		mu.Lock()
		n++
		if time.Since(last) >= each {
			log.Warn("the adapter does not reach Redis", "error", args, "times", n)
			last, n = time.Now(), 0
		}
		mu.Unlock()
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// handOver leaves the users of this node to the others: they stay online for their grace.
func (n *node) handOver(ctx context.Context) error {
	return errors.Join(n.online.Close(ctx), n.store.Close(ctx))
}

// close ends what is left, behind handOver and the server.
func (n *node) close() {
	if err := n.auth.Close(context.Background()); err != nil {
		n.log.Warn("closing", "error", err)
	}
	// Closing the server leaves the adapter's subscriptions. They end when their context
	// has and the connection breaks, in this order: else they would complain.
	n.mute()
	if err := n.redis.Close(); err != nil {
		n.log.Warn("closing", "error", err)
	}
}

// seat is what others may know of a device in the lobby.
type seat struct {
	Node string `json:"node"`
}

// enter is the "connection" handler.
func (n *node) enter(s *socket.Socket) {
	n.on(s, "who", n.who)
	n.on(s, "exchange", n.exchange)
	n.on(s, "kick", n.kick)

	ctx, cancel := context.WithTimeout(wrap.Context(s), patience)
	defer cancel()
	if err := n.online.Join(ctx, s, lobby, seat{n.name}); err != nil && wrap.Context(s).Err() == nil {
		n.log.Warn("others learn later who is here", "error", err)
	}
}

// on has h answer an event. The acknowledgement has one argument: what h returns or, with
// a "code", why not, as it does where a middleware refuses an event.
func (n *node) on(s *socket.Socket, event string, h func(ctx context.Context, s *socket.Socket, args []any) (any, error)) {
	_ = s.On(event, func(args ...any) {
		ack := func([]any, error) {}
		if last := len(args) - 1; last >= 0 {
			if f, ok := args[last].(socket.Ack); ok {
				ack, args = f, args[:last]
			}
		}
		ctx, cancel := context.WithTimeout(wrap.Context(s), patience)
		defer cancel()
		answer, err := h(ctx, s, args)
		if err == nil {
			ack([]any{answer}, nil)
			return
		}
		var refusal *wrap.Error
		if !errors.As(err, &refusal) {
			n.log.Warn("an event failed", "event", event, "error", err)
			refusal = &wrap.Error{Code: "unavailable"} // Redis, in whatever way
		}
		ack([]any{refusal.ClientData()}, nil)
	})
}

// lobbyState answers "who".
type lobbyState struct {
	Node    string   `json:"node"` // that has answered
	Count   int      `json:"count"`
	Members []member `json:"members"`
	Stale   bool     `json:"stale"` // Redis does not answer: this is what the node knows
}

// member is a user in the lobby.
type member struct {
	User  string   `json:"user"`
	Nodes []string `json:"nodes"` // of his devices; none: he is in his grace
}

// who tells who is in the lobby, on whichever node.
func (n *node) who(ctx context.Context, _ *socket.Socket, _ []any) (any, error) {
	count, err := n.online.Count(ctx, lobby)
	if err != nil && !errors.Is(err, presence.ErrStale) {
		return nil, err
	}
	state := lobbyState{Node: n.name, Count: count, Members: []member{}, Stale: err != nil}
	for m, err := range n.online.Members(ctx, lobby) {
		if errors.Is(err, presence.ErrStale) {
			state.Stale = true
			break
		}
		if err != nil {
			return nil, err
		}
		if len(state.Members) == maxNamed {
			break
		}
		nodes := make([]string, len(m.Devices))
		for i, d := range m.Devices {
			var at seat
			_ = json.Unmarshal(d.Meta, &at) // ours
			nodes[i] = at.Node
		}
		state.Members = append(state.Members, member{m.User, nodes})
	}
	return state, nil
}

// private is a message that only its receiver gets.
type private struct {
	From    string `json:"from"`
	Payload string `json:"payload"`
	At      int64  `json:"at"` // Unix milliseconds
}

// exchange sends a private message to all devices of a user, on whichever nodes they are.
func (n *node) exchange(ctx context.Context, s *socket.Socket, args []any) (any, error) {
	var form map[string]any
	if len(args) == 1 {
		form, _ = args[0].(map[string]any)
	}
	target, _ := form["target"].(string)
	payload, _ := form["payload"].(string)
	if target == "" || payload == "" || len(payload) > maxPayload {
		return nil, &wrap.Error{Code: "message_invalid", Message: "A message needs a target and a payload, which is short"}
	}
	all, err := n.online.Status(ctx, target)
	if err != nil {
		return nil, err
	}
	if !all[0].Online && !all[0].Stale {
		return nil, &wrap.Error{Code: "user_offline", Message: "The user is not online"}
	}
	to := n.io.To(n.online.Room(target))
	if all[0].Stale {
		// Without Redis the adapter would drop it, for devices of this node too, and say
		// nothing (adapter/cluster-adapter.go:305 of the host). So send it to those alone.
		to = n.io.Local().To(n.online.Room(target))
	}
	// The sender is who his token says he is, not who he says.
	me, _ := n.online.From(s)
	if err := to.Emit("exchange", private{me.User, payload, time.Now().UnixMilli()}); err != nil {
		return nil, err
	}
	// That it has been sent is not that it has arrived: who needs to know has the
	// receiver's page answer.
	return sent{len(all[0].Devices), all[0].Stale}, nil
}

// sent answers "exchange".
type sent struct {
	Devices int  `json:"devices"` // that it was sent to; none: the user is in his grace
	Stale   bool `json:"stale"`   // Redis does not answer: only those of this node
}

// kick signs the user out everywhere else.
func (n *node) kick(ctx context.Context, s *socket.Socket, _ []any) (any, error) {
	me, _ := n.online.From(s)
	kicked, err := n.online.Kick(ctx, me.User, presence.Except(s), presence.Reason("signed out on another device"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"devices": kicked}, nil
}
