package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/gorilla/sessions"
	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// A browser signs in over HTTP, and its socket has the same session; what the socket
// changes, the next page sees. What the client gets is printed as the raw packets of
// the protocol.
func Example() {
	dir, err := os.MkdirTemp("", "sessions")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store := sessions.NewFilesystemStore(dir, []byte("a secret of at least 32 bytes...."))
	store.Options.HttpOnly = true
	sess, err := session.New(store, "sid", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sess.Close(context.Background())

	const user, messages = session.Key[string]("user"), session.Key[int]("messages")

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// A new ID for who has other rights now: nobody can have planted it.
		if err := sess.Renew(r.Context(), w, r, func(values map[any]any) error {
			user.Set(values, r.FormValue("user"))
			return nil
		}); err != nil {
			http.Error(w, "Try again", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("GET /count", sess.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine, _ := sess.FromContext(r.Context())
		n, _ := messages.Get(mine)
		fmt.Fprintf(w, "%d messages", n)
	})))
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		n, err := sess.Destroy(r.Context(), w, r)
		fmt.Fprintf(w, "%d sockets disconnected, %v", n, err)
	})

	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, sess.Middleware())
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		mine, _ := sess.From(s)
		name, _ := user.Get(mine)
		_ = s.On("message", func(args ...any) {
			err := mine.Update(context.Background(), func(values map[any]any) error {
				messages.Set(values, messages.In(values)+1)
				return nil
			})
			if len(args) == 0 { // a client may leave out what it likes, and a panic ends the process
				return
			}
			if ack, ok := args[len(args)-1].(socket.Ack); ok {
				ack([]any{name, err == nil}, nil)
			}
		})
	})
	mux.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), sess.Handler))
	server := httptest.NewServer(mux)
	defer server.Close()
	defer io.Close(nil)

	var b browser
	b.fetch(server.URL, "POST /login?user=ada")
	b.open(server.URL)
	fmt.Println(b.send(`420["message","hi"]`))
	fmt.Println(b.fetch(server.URL, "GET /count"))
	fmt.Println(b.fetch(server.URL, "POST /logout"))
	fmt.Println(b.receive())
	// Output:
	// 430["ada",true]
	// 1 messages
	// 1 sockets disconnected, <nil>
	// 42["kicked",{"code":"session_expired","message":"Session expired","retryable":false}]
}

// browser keeps a cookie, and a WebSocket.
type browser struct {
	cookie string
	conn   *websocket.Conn
}

// fetch makes a request, such as "GET /path", and returns the answer.
func (b *browser) fetch(url, what string) string {
	method, path, _ := strings.Cut(what, " ")
	r, err := http.NewRequest(method, url+path, nil)
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Cookie", b.cookie)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		b.cookie = c.Name + "=" + c.Value
	}
	var body strings.Builder
	_ = res.Write(&body)
	_, text, _ := strings.Cut(body.String(), "\r\n\r\n")
	return text
}

// open joins "/".
func (b *browser) open(url string) {
	var err error
	b.conn, _, err = websocket.DefaultDialer.Dial(
		"ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket",
		http.Header{"Cookie": {b.cookie}})
	if err != nil {
		fmt.Println(err)
		return
	}
	b.receive() // OPEN
	b.send("40")
}

// send sends a packet, and returns the next one.
func (b *browser) send(packet string) string {
	if err := b.conn.WriteMessage(websocket.TextMessage, []byte(packet)); err != nil {
		return err.Error()
	}
	return b.receive()
}

func (b *browser) receive() string {
	_, packet, err := b.conn.ReadMessage()
	if err != nil {
		return err.Error()
	}
	return string(packet)
}
