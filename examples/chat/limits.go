package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// limits say how much of everything is allowed. An address may be shared by many people,
// in a school or a mobile network, so it gets a generous share.
type limits struct {
	connections ratelimit.Limit // per address: handshakes, and namespaces joined
	sockets     int             // per address: at one time
	logins      ratelimit.Limit // per address: passwords tried
	tokens      ratelimit.Limit // per address: tokens requested
	messages    ratelimit.Limit // per user, as all that follows; per address for guests
	signals     ratelimit.Limit // each event that is not a message: typing, away, rooms
	bytes       ratelimit.Limit
	penalty     ratelimit.Penalty // for those who go on although they are refused
}

// usual are the default limits of the program.
func usual() limits {
	return limits{
		connections: ratelimit.PerMinute(60),
		sockets:     30,
		logins:      ratelimit.PerMinute(10).Burst(20),
		tokens:      ratelimit.PerSecond(2).Burst(100),
		messages:    ratelimit.PerSecond(1).Burst(5),
		signals:     ratelimit.PerSecond(2).Burst(20),
		bytes:       ratelimit.PerSecond(8 << 10).Burst(4 * maxPacket),
		penalty: ratelimit.Penalty{
			// The page waits as long as it is told to: it is refused once a second at
			// most.
			After:  ratelimit.PerSecond(1).Burst(20),
			Ban:    10 * time.Second,
			MaxBan: 10 * time.Minute,
		},
	}
}

// limiters enforce the limits. Each counts separately.
type limiters struct {
	login *ratelimit.Limiter // in front of the endpoint that takes passwords
	token *ratelimit.Limiter // in front of the one that issues tokens
	door  *ratelimit.Limiter // in front of everything that connects, before anybody is known
	talk  *ratelimit.Limiter // behind authentication: a banned user cannot connect
}

func newLimiters(l limits, auth *jwtauth.Auth[jwtauth.Claims], st *stores, log *slog.Logger) (*limiters, error) {
	options := func(name string) ratelimit.Options {
		return ratelimit.Options{Store: st.limits, Name: name, Logger: log}
	}
	login, token, door, talk := options("login"), options("token"), options("door"), options("talk")
	door.Concurrent = l.sockets
	talk.Key = ratelimit.ByUser(auth.Subject)
	talk.Events, talk.Bytes, talk.Penalty, talk.Cost = l.messages, l.bytes, l.penalty, cost
	talk.Event = make(map[string]ratelimit.Limit)
	for _, name := range signals {
		talk.Event[name] = l.signals
	}
	var all limiters
	var errs [4]error
	all.login, errs[0] = ratelimit.New(l.logins, &login)
	all.token, errs[1] = ratelimit.New(l.tokens, &token)
	all.door, errs[2] = ratelimit.New(l.connections, &door)
	all.talk, errs[3] = ratelimit.New(ratelimit.Unlimited(), &talk)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	return &all, nil
}

// signals are the events that are not messages.
var signals = []string{"typing", "away", "leave", "room"}

// cost keeps events with a limit of their own from using up the allowance for messages:
// whoever types a long one must be able to send it.
func cost(_ *socket.Socket, e *wrap.Event) int64 {
	if slices.Contains(signals, e.Name) {
		return 0
	}
	return 1
}
