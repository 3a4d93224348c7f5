package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// maxNickname is the longest nickname, in characters.
const maxNickname = 20

// reserved are nicknames that nobody gets. Those of users belong to the users.
var reserved = []string{"admin", "moderator", "server", "system"}

// lastNickname is the session key of a guest's latest nickname, which the socket writes.
// The page offers it again.
const lastNickname = session.Key[string]("nickname")

// names recognizes returning guests. A session is created on the handshake; its cookie is
// good for nothing else.
type names struct {
	sessions *session.Manager
	log      *slog.Logger
}

// newNames returns names that are kept in store. Any gorilla store would do.
func newNames(store sessions.Store, log *slog.Logger) (*names, error) {
	m, err := session.New(store, "chat-session", &session.Options{Logger: log})
	if err != nil {
		return nil, err
	}
	return &names{m, log}, nil
}

// of returns the previous nickname of a page's visitor, or "".
func (n *names) of(r *http.Request) string {
	if mine, ok := n.sessions.FromContext(r.Context()); ok {
		name, _ := lastNickname.Get(mine)
		return name
	}
	return ""
}

// remember stores the nickname of a guest who has connected. Two tabs may do so at once.
func (n *names) remember(s *socket.Socket, name string) {
	mine, ok := n.sessions.From(s)
	if !ok {
		return
	}
	if old, _ := lastNickname.Get(mine); old == name {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := mine.Update(ctx, func(values map[any]any) error {
		lastNickname.Set(values, name)
		return nil
	})
	if err != nil { // the next visit starts with an empty field
		n.log.Warn("the nickname is not remembered", "error", err)
	}
}

// admit is the connection middleware that finds out whom a socket belongs to. The client
// gets an error as connect_error, with the code and the text of the *wrap.Error and
// nothing else.
//
// The ID of a user decides who is online, who gets which private message and who can kick
// whom: it must survive a reload, and nobody may be able to take somebody else's. For
// users it is the subject of their token. A guest's is made of the session, whose cookie
// no script and nobody else has, and of the nickname, so that two tabs may be two guests.
// The nickname alone would not do: whoever used it next would be identified with someone
// who has just lost the connection, and get that person's messages. A prefix separates
// users from guests. People see the nickname, in the profile.
func (c *chat) admit(ctx context.Context, s *socket.Socket) error {
	v := new(visitor)
	if subject, ok := c.auth.Subject(s); ok {
		v.user, v.Nickname = "user:"+subject, subject
		s.SetData(v)
		return nil
	}
	mine, ok := c.names.sessions.From(s)
	if !ok {
		return &wrap.Error{Code: "session_missing"}
	}
	var err error
	if v.Nickname, err = guestName(s); err != nil {
		return err
	}
	v.Guest = true
	// Everyone sees the ID: the hash reveals nothing about the session.
	hash := sha256.Sum256([]byte(string(mine.Room()) + "\x00" + strings.ToLower(v.Nickname)))
	v.user = "guest:" + base64.RawURLEncoding.EncodeToString(hash[:16])
	if c.taken(ctx, v) {
		return errTaken
	}
	s.SetData(v)
	return nil
}

var errTaken = &wrap.Error{
	Code: "nickname_taken", Message: "The nickname is taken",
	RetryAfter: 5 * time.Second, // its owner may have left, and be within the grace period
}

// badge is the presence room that a guest joins to hold a nickname: its member owns the
// nickname, on any node and during the grace period too.
func badge(nickname string) string { return "nickname:" + strings.ToLower(nickname) }

// taken reports whether somebody else has the nickname of v.
func (c *chat) taken(ctx context.Context, v *visitor) bool {
	for m, err := range c.online.Members(ctx, badge(v.Nickname)) {
		if err != nil {
			break // Redis does not answer: better a duplicate than no chat
		}
		if m.User != v.user {
			return true
		}
	}
	return false
}

// hold claims the nickname of v, if it is still free. If two guests claim one at the same
// moment, each may find the other.
func (c *chat) hold(ctx context.Context, s *socket.Socket, v *visitor) *wrap.Error {
	err := c.online.Join(ctx, s, badge(v.Nickname), nil)
	switch {
	case err == nil && c.taken(ctx, v):
		_ = c.online.Leave(ctx, s, "") // at once, without a grace period
		return errTaken
	case err == nil || errors.Is(err, presence.ErrUnavailable): // others learn of it later
		return nil
	}
	return &wrap.Error{Code: "unavailable", Err: err}
}

// guestName returns the nickname that a guest asks for, if it is allowed.
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
