package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// What the chat accepts, in characters. The page checks nothing, so that every
// refusal can be seen there.
const (
	maxNickname = 20
	maxMessage  = 500
)

// events are those that a client may send, with a text, and that everyone gets.
var events = []string{"message", "announce"}

// reserved are nicknames that nobody gets. Those of users belong to them.
var reserved = []string{"admin", "moderator", "server", "system"}

// chat is one room in which no two people have the same nickname.
type chat struct {
	io   *socket.Server
	auth *jwtauth.Auth[jwtauth.Claims]
	log  *slog.Logger

	mu     sync.Mutex
	people map[string]*person // by nickname in lower case
}

// person is what the chat knows of who a socket belongs to; it is the socket's
// Data. A user may be here in several tabs, a guest is in one.
type person struct {
	nickname string
	guest    bool
	sockets  int
	joined   bool // the others have been told
}

// The payloads of the events that the server sends.
type (
	presence struct { // welcome, joined, left
		Nickname string   `json:"nickname"`
		Guest    bool     `json:"guest"`
		People   []string `json:"people"`
	}
	message struct { // message, announce
		Nickname string `json:"nickname"`
		Text     any    `json:"text"`
		At       int64  `json:"at"` // Unix milliseconds
	}
)

// newChat makes io a chat.
func newChat(io *socket.Server, auth *jwtauth.Auth[jwtauth.Claims], log *slog.Logger) *chat {
	c := &chat{io: io, auth: auth, log: log, people: make(map[string]*person)}

	// For every socket, in every namespace, in this order.
	wrap.UseAll(io,
		wrap.Require(),       // it came through wrap.Handler, so the HTTP middlewares ran
		auth.Middleware(),    // its token is good, or it is a guest's
		wrap.Func(c.admit),   // it has a nickname
		auth.Events(may),     // each of its events is one that it may send
		wrap.Packet(c.check), // and one that we expect
	)
	_ = io.On("connection", func(args ...any) { c.enter(args[0].(*socket.Socket)) })
	return c
}

// may says which events are for whom: guests, who have no claims, do not announce.
func may(claims jwtauth.Claims, event string, _ []any) error {
	if event == "announce" && claims.Subject == "" {
		return &wrap.Error{Code: "forbidden", Message: "Only users may announce something"}
	}
	return nil
}

// admit is the connection middleware: an error becomes the connect_error of the
// client, with the code and the text of the *wrap.Error and nothing else.
func (c *chat) admit(_ context.Context, s *socket.Socket) error {
	nickname, user := c.auth.Subject(s)
	if !user {
		var err error
		if nickname, err = guestName(s); err != nil {
			return err
		}
	}

	key := strings.ToLower(nickname)
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.people[key]
	switch {
	case p == nil:
		p = &person{nickname: nickname, guest: !user}
		c.people[key] = p
	case !user:
		// RetryAfter, since it may be the connection that this client has just
		// lost: the server notices that only when a ping is not answered.
		return &wrap.Error{
			Code: "nickname_taken", Message: "The nickname is taken",
			RetryAfter: 5 * time.Second,
		}
	}
	p.sockets++
	s.SetData(p)

	// Whatever happens to the socket from here on, a refusal by a later
	// middleware included, it is counted out again, exactly once.
	ctx := wrap.Context(s)
	context.AfterFunc(ctx, func() { c.leave(ctx, key, p) })
	return nil
}

// guestName returns the nickname that a guest wishes, if it may be had.
func guestName(s *socket.Socket) (string, error) {
	auth, _ := s.Handshake().Auth.(map[string]any)
	raw, _ := auth["nickname"].(string)
	nickname := strings.Join(strings.Fields(raw), " ")
	key := strings.ToLower(nickname)
	_, user := passwords[key]
	switch {
	case nickname == "":
		return "", &wrap.Error{Code: "nickname_missing", Message: "A nickname is required"}
	case utf8.RuneCountInString(nickname) > maxNickname:
		return "", &wrap.Error{
			Code: "nickname_too_long", Message: "The nickname is too long",
			Data: map[string]any{"max": maxNickname},
		}
	case strings.ContainsFunc(nickname, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", &wrap.Error{Code: "nickname_invalid", Message: "The nickname has invisible characters"}
	case user || slices.Contains(reserved, key):
		return "", &wrap.Error{Code: "forbidden", Message: "The nickname is reserved"}
	}
	return nickname, nil
}

// check is the packet middleware: an error keeps the event from its handler and
// answers the client's acknowledgement.
func (c *chat) check(_ context.Context, _ *socket.Socket, e *wrap.Event) error {
	if !slices.Contains(events, e.Name) || len(e.Args) != 1 {
		return &wrap.Error{Code: "forbidden", Message: "There is no such event"}
	}
	text, _ := e.Args[0].(string)
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return &wrap.Error{Code: "message_empty", Message: "The message is empty"}
	case utf8.RuneCountInString(text) > maxMessage:
		return &wrap.Error{
			Code: "message_too_long", Message: "The message is too long",
			Data: map[string]any{"max": maxMessage},
		}
	}
	e.Args[0] = text // the handler gets what was checked
	return nil
}

// enter is the "connection" handler.
func (c *chat) enter(s *socket.Socket) {
	p := s.Data().(*person)
	for _, event := range events {
		_ = s.On(event, func(args ...any) {
			c.io.Emit(event, message{p.nickname, args[0], time.Now().UnixMilli()})
			if ack, ok := args[len(args)-1].(socket.Ack); ok {
				ack([]any{}, nil) // no argument: accepted
			}
		})
	}

	// Told under the lock, so that everyone hears of comings and goings in the
	// order in which they happened.
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx := wrap.Context(s)
	if ctx.Err() != nil {
		return // left already
	}
	first := !p.joined
	p.joined = true
	now := presence{p.nickname, p.guest, c.nicknames()}
	_ = s.Emit("welcome", now)
	if !first {
		return // in another tab already
	}
	_ = s.Broadcast().Emit("joined", now)
	c.log.Info("joined", "nickname", p.nickname, "people", len(now.People), "request", requestIDFrom(ctx))
}

// leave runs once the context of the socket has ended.
func (c *chat) leave(ctx context.Context, key string, p *person) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.sockets--; p.sockets > 0 {
		return // still here in another tab
	}
	delete(c.people, key)
	if !p.joined {
		return // nobody knew
	}
	now := presence{p.nickname, p.guest, c.nicknames()}
	c.io.Emit("left", now)
	var why wrap.Disconnected
	errors.As(context.Cause(ctx), &why)
	c.log.Info("left", "nickname", p.nickname, "people", len(now.People), "request", requestIDFrom(ctx), "reason", why.Reason)
}

// nicknames lists who is in the room. c.mu is held.
func (c *chat) nicknames() []string {
	names := []string{}
	for _, p := range c.people {
		if p.joined {
			names = append(names, p.nickname)
		}
	}
	slices.Sort(names)
	return names
}
