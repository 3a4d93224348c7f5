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
	// prefix is the prefix of all our keys and channels in Redis. Another application in
	// the same Redis needs a different one.
	prefix = "cluster:"

	// lobby is the room that everybody is in.
	lobby = "lobby"

	patience   = 2 * time.Second // for one event
	timeout    = time.Second     // for one call of Redis; shorter, so that an outage is noticed
	maxPacket  = 16 << 10        // bytes that are read at a time
	maxPayload = 1000            // bytes of a private message
	maxNamed   = 100             // members listed by "who"
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

// newNode returns a node, which the caller must close. It does not contact Redis, which
// may become available later.
func newNode(c config, log *slog.Logger) (*node, error) {
	n := &node{config: c, log: log}
	o, err := redis.ParseURL(c.redis)
	if err != nil {
		return nil, fmt.Errorf("-redis: %w", err)
	}
	o.ContextTimeoutEnabled = true // makes calls end in time

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

	// Who is online: the Store is shared by all nodes, the Tracker is this node's part.
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
	n.online.Broadcast("online") // tells the members of a room who comes and who goes

	// The host's adapter forwards messages for a room to its sockets on other nodes. It
	// must be set in the options: a server made without it has already created the
	// adapters of its namespaces. Harden also keeps broadcasts from getting lost.
	opts := wrap.Harden(nil)
	opts.SetMaxHttpBufferSize(maxPacket)
	opts.SetAdapter(n.adapter())
	n.io = socket.NewServer(nil, opts)

	// For every socket, in every namespace, in this order.
	wrap.UseAll(n.io,
		wrap.Require(),        // it came through wrap.Handler, so the HTTP middlewares ran
		n.auth.Middleware(),   // its token says whose it is
		n.online.Middleware(), // it counts as a device of its user
	)
	_ = n.io.On("connection", func(args ...any) { n.enter(args[0].(*socket.Socket)) })
	return n, nil
}

// adapter returns the host's adapter for sharded channels: of the three that there are,
// the one with which both io.Emit and io.To(room).Emit reach all nodes as they are.
func (n *node) adapter() socket.AdapterConstructor {
	ctx, cancel := context.WithCancel(context.Background())
	n.mute = cancel
	client := types.NewRedisClient(ctx, n.redis)
	_ = client.On("error", complain(ctx, n.log))
	opts := &adapter.ShardedRedisAdapterOptions{}
	opts.SetChannelPrefix(prefix + "socket.io")
	return &adapter.ShardedRedisAdapterBuilder{Redis: client, Opts: opts}
}

// complain returns a listener for errors between the adapter and Redis. While Redis is
// away there are millions per second, since the adapter retries at once
// (adapter/sharded-adapter.go:115 of v1.3.0): one in ten seconds is logged. The adapter
// waits for its listeners, so this one also keeps it from using up a processor.
func complain(ctx context.Context, log *slog.Logger) func(...any) {
	const each, pause = 10 * time.Second, 50 * time.Millisecond
	var mu sync.Mutex
	var last time.Time
	var n int
	return func(args ...any) {
		if ctx.Err() != nil {
			return // we are shutting down
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

// handOver leaves the users of this node to the others, online for their grace period.
func (n *node) handOver(ctx context.Context) error {
	return errors.Join(n.online.Close(ctx), n.store.Close(ctx))
}

// close ends what is left, after handOver and the server.
func (n *node) close() {
	if err := n.auth.Close(context.Background()); err != nil {
		n.log.Warn("closing", "error", err)
	}
	// Closing the server leaves the adapter's subscriptions open. Their context must end
	// before the connection breaks, or they complain.
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

// on answers an event with h. The acknowledgement has one argument: what h returns or,
// with a "code", the refusal, in the form that middlewares use.
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
			refusal = &wrap.Error{Code: "unavailable"} // Redis failed in some way
		}
		ack([]any{refusal.ClientData()}, nil)
	})
}

// lobbyState answers "who".
type lobbyState struct {
	Node    string   `json:"node"` // the one that has answered
	Count   int      `json:"count"`
	Members []member `json:"members"`
	Stale   bool     `json:"stale"` // Redis does not answer: this is what the node knows
}

// member is a user in the lobby.
type member struct {
	User  string   `json:"user"`
	Nodes []string `json:"nodes"` // of the user's devices; none during the grace period
}

// who answers with the users in the lobby, on any node.
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

// exchange sends a private message to all devices of a user, on any nodes.
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
		// Without Redis the adapter would silently drop it, even for devices of this node
		// (adapter/cluster-adapter.go:305 of the host). So send it only to those.
		to = n.io.Local().To(n.online.Room(target))
	}
	// The sender is the user of the token, whatever the client claims.
	me, _ := n.online.From(s)
	if err := to.Emit("exchange", private{me.User, payload, time.Now().UnixMilli()}); err != nil {
		return nil, err
	}
	// Sent does not mean received: if you need to know, have the receiver's page answer.
	return sent{len(all[0].Devices), all[0].Stale}, nil
}

// sent answers "exchange".
type sent struct {
	Devices int  `json:"devices"` // that it was sent to; 0: the user is in the grace period
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
