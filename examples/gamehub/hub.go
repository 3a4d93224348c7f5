package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// hub knows who is there, and who sits where.
type hub struct {
	login  *login
	logs   *logging.Logger
	door   *ratelimit.Limiter // by address, before anybody is known
	talk   *ratelimit.Limiter // per openid
	online *presence.Tracker
	user   socket.Namespace // "/user"
	beat   time.Duration
	tasks  sync.WaitGroup // of connected sockets

	mu      sync.Mutex
	last    int               // ID of a table
	waiting *table            // the one that has a seat free
	tables  map[string]*table // by the openids of their players
}

// newHub turns sio into a game hub.
func newHub(sio *socket.Server, c config, log *slog.Logger) (*hub, error) {
	if c.grace <= 0 || c.beat <= 0 {
		return nil, errors.New("grace and beat must be positive")
	}
	l, err := newLogin(c.token, log)
	if err != nil {
		return nil, err
	}
	h := &hub{login: l, beat: c.beat, tables: make(map[string]*table)}
	var err1, err2, err3, err4 error
	h.logs, err1 = logging.New(log, &logging.Options{User: l.auth.Subject})
	h.door, err2 = ratelimit.New(ratelimit.PerMinute(60), &ratelimit.Options{Concurrent: 30, Logger: log})
	h.talk, err3 = ratelimit.New(ratelimit.Unlimited(), &ratelimit.Options{
		Key:    ratelimit.ByUser(l.auth.Subject),
		Events: ratelimit.PerSecond(5).Burst(20),
		Bytes:  ratelimit.PerSecond(4 << 10).Burst(4 * maxPacket),
		Logger: log,
	})
	h.online, err4 = presence.New(l.auth.Subject, &presence.Options{
		Grace:      c.grace,
		MaxDevices: 1, // signing in on another phone signs this one out
		Logger:     log,
	})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}

	// For every socket, in every namespace, in this order. With Engine.IO 3 all clients
	// are also in "/", where nothing happens.
	wrap.UseAll(sio,
		h.logs.Middleware(),   // what becomes of it is logged
		wrap.Require(),        // it came through wrap.Handler
		h.door.Middleware(),   // its address has not tried too often
		l.auth.Middleware(),   // its token is good
		h.talk.Middleware(),   // it sends no more than it may
		h.online.Middleware(), // it counts as a device of its openid
	)
	h.user = sio.Of("/user", nil)
	h.user.Use(wrap.Packet(h.command))
	_ = h.user.On("connection", func(args ...any) { h.enter(args[0].(*socket.Socket)) })
	h.online.Watch(h.changed)
	return h, nil
}

// handler returns a handler for the login and, below /socket.io/, the hub.
func (h *hub) handler(sio *socket.Server) http.Handler {
	engine := sio.ServeHandler(nil)
	h.logs.Engine(sio.Engine())
	mux := http.NewServeMux()
	mux.Handle("POST /login", h.logs.Handler(h.door.Handler(h.login)))
	mux.Handle("/socket.io/", wrap.Handler(engine, h.logs.Handler, h.door.Handler))
	return mux
}

// close ends what runs in the background. It comes after the server.
func (h *hub) close() {
	_ = h.online.Close(context.Background()) // unless it is closed already
	h.tasks.Wait()
	_ = h.login.auth.Close(context.Background())
}
