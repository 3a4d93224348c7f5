package session_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// The functions below are what docs/from-express-session.md shows; a test compares
// them.

func migrateExpressSession() error {
	store := sessions.NewFilesystemStore("", []byte(os.Getenv("SESSION_SECRET")))
	store.Options.HttpOnly = true
	store.Options.SameSite = http.SameSiteLaxMode
	sess, err := session.New(store, "connect.sid", nil)
	if err != nil {
		return err
	}

	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, sess.Middleware())
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		mine, _ := sess.From(s) // socket.request.session
		slog.Info("connected", "session", mine.Room())
	})
	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), sess.Handler))
	return nil
}

func migrateReadWrite(sess *session.Manager, s *socket.Socket, ctx context.Context) error {
	const visits = session.Key[int]("visits")

	mine, _ := sess.From(s)
	n, ok := visits.Get(mine)
	err := mine.Update(ctx, func(values map[any]any) error {
		visits.Set(values, visits.In(values)+1)
		return nil
	})
	_, _ = n, ok
	return err
}

func migrateReload(io *socket.Server, sess *session.Manager) {
	wrap.UseAll(io, wrap.Packet(func(ctx context.Context, s *socket.Socket, e *wrap.Event) error {
		mine, _ := sess.From(s)
		return mine.Reload(ctx) // gone: the ack says session_expired, and the socket is put out
	}))
}

func migrateTimer(store sessions.Store) (*session.Manager, error) {
	return session.New(store, "sid", &session.Options{Check: 10 * time.Second})
}

func migrateLogin(sess *session.Manager) {
	http.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		err := sess.Renew(r.Context(), w, r, func(values map[any]any) error {
			values["user"] = r.FormValue("user")
			return nil
		})
		if err != nil {
			http.Error(w, "Try again", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if _, err := sess.Destroy(r.Context(), w, r); err != nil {
			http.Error(w, "Try again", http.StatusServiceUnavailable)
		}
	})
}

func migrateEmit(io *socket.Server, mine *session.Session) {
	io.To(mine.Room()).Emit("cart changed")
}

func migrateTicket(sess *session.Manager, s *socket.Socket, check func(password string) bool) {
	_ = s.On("login", func(args ...any) {
		if len(args) == 0 { // a client may leave out what it likes, and a panic ends the process
			return
		}
		answer, ok := args[len(args)-1].(socket.Ack)
		if !ok {
			return
		}
		password, ok := args[0].(string) // else the client has sent something else, or the ack alone
		if !ok || !check(password) {
			answer([]any{nil}, nil)
			return
		}
		mine, _ := sess.From(s)
		ticket, _ := mine.Renew(func(values map[any]any) error {
			values["user"] = "ada"
			return nil
		})
		answer([]any{ticket}, nil)
	})
	http.HandleFunc("POST /session", sess.Claim)
}

// What the page shows has to be called somewhere.
var _ = []any{
	migrateExpressSession, migrateReadWrite, migrateReload, migrateTimer, migrateLogin,
	migrateEmit, migrateTicket,
}
