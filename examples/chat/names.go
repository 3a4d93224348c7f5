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

// maxNickname is in characters.
const maxNickname = 20

// reserved are nicknames that nobody gets. Those of users belong to them.
var reserved = []string{"admin", "moderator", "server", "system"}

// lastNickname is what a session holds: the name that a guest has last had. The page
// offers it again, and the socket has written it.
const lastNickname = session.Key[string]("nickname")

// names know guests again. A session is made on the handshake; its cookie is good for
// nothing but this.
type names struct {
	sessions *session.Manager
	log      *slog.Logger
}

// newNames returns names that are kept in store. Any of gorilla's would do.
func newNames(store sessions.Store, log *slog.Logger) (*names, error) {
	m, err := session.New(store, "chat-session", &session.Options{Logger: log})
	if err != nil {
		return nil, err
	}
	return &names{m, log}, nil
}

// of returns the name that the visitor of a page has had, or "".
func (n *names) of(r *http.Request) string {
	if mine, ok := n.sessions.FromContext(r.Context()); ok {
		name, _ := lastNickname.Get(mine)
		return name
	}
	return ""
}

// remember keeps the name of a guest who has come in. Two tabs may do so at once.
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
	if err != nil { // the next visit begins with an empty field
		n.log.Warn("the nickname is not remembered", "error", err)
	}
}

// admit is the connection middleware that finds out who a socket belongs to. An error
// becomes the connect_error of the client, with the code and the text of the
// *wrap.Error and nothing else.
//
// The ID of a user decides who is online, who gets which private message and who puts
// whom out: it must stay the same over a reload, and nobody may be able to take that of
// somebody else. For users it is the subject of their token. A guest's is made of the
// session, whose cookie no script and nobody else has, and of the nickname, so that two
// tabs may be two guests. The nickname alone would not do: whoever came with it next
// would be the one who has just lost the connection, and get that one's messages. A
// prefix keeps users and guests apart. What people see is the nickname, in the profile.
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
	// Everyone gets to see the ID: the hash tells nothing of the session.
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
	RetryAfter: 5 * time.Second, // who has it may have left, and be in his grace
}

// badge is the room of presence that a guest is in for his nickname's sake: who is there
// has it, on whichever node and in his grace too.
func badge(nickname string) string { return "nickname:" + strings.ToLower(nickname) }

// taken reports whether the nickname of v is somebody else's.
func (c *chat) taken(ctx context.Context, v *visitor) bool {
	for m, err := range c.online.Members(ctx, badge(v.Nickname)) {
		if err != nil {
			break // Redis does not answer: better two than none
		}
		if m.User != v.user {
			return true
		}
	}
	return false
}

// hold takes the nickname of v, as far as it is still free: of two guests who come with
// one at the same moment each may find the other.
func (c *chat) hold(ctx context.Context, s *socket.Socket, v *visitor) *wrap.Error {
	err := c.online.Join(ctx, s, badge(v.Nickname), nil)
	switch {
	case err == nil && c.taken(ctx, v):
		_ = c.online.Leave(ctx, s, "") // at once: without a grace
		return errTaken
	case err == nil || errors.Is(err, presence.ErrUnavailable): // others learn of it later
		return nil
	}
	return &wrap.Error{Code: "unavailable", Err: err}
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
