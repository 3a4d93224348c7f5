package presence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// What docs/from-node.md shows of egg-socket.io, of maps of users in memory, and of a game
// hub; a test compares them.

// Namespaces, connection and packet middleware, and an event with its controller,
// with which people write to each other.
func Example_exchange() {
	auth, online, err := people(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close(context.Background())
	defer online.Close(context.Background())
	io := socket.NewServer(nil, wrap.Harden(nil))

	wrap.UseAll(io, auth.Middleware(), online.Middleware()) // connectionMiddleware
	chat := io.Of("/chat", nil)
	chat.Use(wrap.Packet(oneArgument)) // packetMiddleware
	_ = chat.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		me, _ := online.From(s)
		_ = s.On("exchange", func(args ...any) { // io.of("/chat").route("exchange", ...)
			form, _ := args[0].(map[string]any) // oneArgument has seen to it that there is one
			target, _ := form["target"].(string)
			_ = chat.To(online.Room(target)).Emit("exchange", map[string]any{"from": me.User, "payload": form["payload"]})
		})
		_ = s.Emit("welcome", me.User) // from here on the others reach her
	})

	site := serveHub(io)
	defer site.close()
	ada, bob := site.enter("/chat", "ada"), site.enter("/chat", "bob")
	defer ada.Close()
	defer bob.Close()
	hear(bob, "welcome")
	say(ada, `42/chat,["exchange",{"target":"bob","payload":"hello"}]`)
	fmt.Println(hear(bob, "exchange"))
	// Output:
	// {"from":"ada","payload":"hello"}
}

// oneArgument lets pass what a controller can work with.
func oneArgument(ctx context.Context, s *socket.Socket, e *wrap.Event) error {
	if len(e.Args) != 1 {
		return &wrap.Error{Code: "message_invalid", Message: "One argument"}
	}
	return nil
}

// Signing in elsewhere signs the user out here.
func Example_elsewhere() {
	auth, err := jwtauth.New[jwtauth.Claims](jwtauth.HMAC(hubSecret), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close(context.Background())
	io := socket.NewServer(nil, wrap.Harden(nil))

	online, err := presence.New(auth.Subject, &presence.Options{MaxDevices: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer online.Close(context.Background())
	wrap.UseAll(io, auth.Middleware(), online.Middleware())
	_ = io.On("connection", func(args ...any) { _ = args[0].(*socket.Socket).Emit("welcome", "here") })

	site := serveHub(io)
	defer site.close()
	old := site.enter("/", "ada")
	defer old.Close()
	hear(old, "welcome")
	defer site.enter("/", "ada").Close()
	fmt.Println(hear(old, "kicked"))

	all, err := online.Status(context.Background(), "ada", "bob")
	fmt.Println(all[0].Online, all[1].Online, err)
	_ = io.To(online.Room("ada")).Emit("message", "to whichever device she has") // app.ws.user[id].send
	// Output:
	// {"code":"replaced","message":"Signed in elsewhere","retryable":false}
	// true false <nil>
}

// A player is identified by openid: the connection is lost, the player comes back with
// another socket.id, and nobody sees the absence.
func Example_openid() {
	type claims struct {
		jwtauth.Claims
		OpenID string `json:"openid"`
	}
	auth, err := jwtauth.New(jwtauth.HMAC(hubSecret), &jwtauth.Options[claims]{
		Sources: []jwtauth.Source{jwtauth.AuthField("token"), jwtauth.Query("token")}, // version 2 has no auth
		Verify: func(ctx context.Context, id *jwtauth.Identity[claims]) error {
			if id.Claims.OpenID == "" {
				return jwtauth.ErrInvalid
			}
			id.Subject = id.Claims.OpenID // who it is, for all that follows
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close(context.Background())
	online, err := presence.New(auth.Subject, &presence.Options{Grace: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer online.Close(context.Background())
	changes := make(chan presence.Change, 10)
	defer online.Watch(func(c presence.Change) { changes <- c })() // Online, and Offline a minute after the last connection

	opts := wrap.Harden(nil)
	opts.SetAllowEIO3(true) // version 2: the host answers 400 otherwise
	io := socket.NewServer(nil, opts)
	wrap.UseAll(io, auth.Middleware(), online.Middleware())
	user := io.Of("/user", nil)
	_ = user.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		me, _ := online.From(s)
		_ = s.Emit("welcome", me.User) // and what he may have missed
	})

	site := serveHub(io)
	defer site.close()
	phone := site.enter("/user", "ada")
	fmt.Println(hear(phone, "welcome"))
	_ = phone.Close() // a tunnel
	for range time.Tick(5 * time.Millisecond) {
		if all, err := online.Status(context.Background(), "openid-ada"); err != nil || len(all[0].Devices) == 0 {
			fmt.Println(all[0].Online, err) // nobody is there, and she is online
			break
		}
	}
	back := site.enter("/user", "ada")
	defer back.Close()
	fmt.Println(hear(back, "welcome"))
	defer site.enter("/user", "bob").Close()
	for range 2 {
		c := <-changes
		fmt.Println(c.User, c.Kind == presence.Online)
	}
	// Output:
	// "openid-ada"
	// true <nil>
	// "openid-ada"
	// openid-ada true
	// openid-bob true
}

var hubSecret = []byte("0123456789abcdef0123456789abcdef")

// people returns an Auth for those who sign in with a token, and a Tracker of them.
func people(opts *presence.Options) (*jwtauth.Auth[jwtauth.Claims], *presence.Tracker, error) {
	auth, err := jwtauth.New[jwtauth.Claims](jwtauth.HMAC(hubSecret), nil)
	if err != nil {
		return nil, nil, err
	}
	online, err := presence.New(auth.Subject, opts)
	return auth, online, err
}

// hubSite is a server that listens.
type hubSite struct {
	io   *socket.Server
	http *httptest.Server
}

func serveHub(io *socket.Server) hubSite {
	return hubSite{io, httptest.NewServer(wrap.Handler(io.ServeHandler(nil)))}
}

func (h hubSite) close() {
	h.io.Close(nil)
	h.http.Close()
}

// enter connects to a namespace with a token of the user, and waits until it has.
func (h hubSite) enter(nsp, user string) *websocket.Conn {
	token, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": user, "openid": "openid-" + user, "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(hubSecret)
	conn, _, err := websocket.DefaultDialer.Dial(strings.Replace(h.http.URL, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		fmt.Println(err)
		return new(websocket.Conn)
	}
	if nsp == "/" {
		nsp = ""
	} else {
		nsp += ","
	}
	_, _, _ = conn.ReadMessage() // OPEN
	say(conn, "40"+nsp+`{"token":"`+token+`"}`)
	_, answer, _ := conn.ReadMessage()
	if !strings.HasPrefix(string(answer), "40") {
		fmt.Println(string(answer))
	}
	return conn
}

func say(conn *websocket.Conn, packet string) {
	if err := conn.WriteMessage(websocket.TextMessage, []byte(packet)); err != nil {
		fmt.Println(err)
	}
}

// hear waits for an event, and returns its argument.
func hear(conn *websocket.Conn, event string) string {
	for {
		_, packet, err := conn.ReadMessage()
		if err != nil {
			return err.Error()
		}
		var args []json.RawMessage
		_, list, _ := strings.Cut(string(packet), "[")
		if json.Unmarshal([]byte("["+list), &args) == nil && len(args) == 2 && string(args[0]) == `"`+event+`"` {
			return string(args[1])
		}
	}
}
