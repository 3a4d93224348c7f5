package wrap_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// The functions below are what docs/security.md shows; a test compares them.

// hardened returns a server with all that docs/security.md asks for, and how to end it.
func hardened(secret []byte, log *slog.Logger) (*http.Server, func(context.Context) error, error) {
	log = slog.New(logging.Redact(log.Handler())) // whatever the application logs, too
	auth, err := jwtauth.New(jwtauth.HMAC(secret), &jwtauth.Options[jwtauth.Claims]{
		Sources:     []jwtauth.Source{jwtauth.AuthField("token")}, // not in a URL, not by itself
		Audiences:   []string{"chat.example.com"},
		MaxLifetime: 15 * time.Minute,
		Logger:      log,
	})
	if err != nil {
		return nil, nil, err // such as a secret that is empty or short
	}
	logs, err1 := logging.New(log, &logging.Options{User: auth.Subject})
	limit, err2 := ratelimit.New(ratelimit.PerMinute(60), &ratelimit.Options{
		Concurrent: 20,
		Events:     ratelimit.PerSecond(20).Burst(100),
		Bytes:      ratelimit.PerSecond(64 << 10).Burst(1 << 20),
		Penalty:    ratelimit.Penalty{After: ratelimit.PerMinute(200), Ban: time.Minute},
		Logger:     log,
		// TrustedProxies: those in front, if there are any; and of logging too.
	})
	online, err3 := presence.New(auth.Subject, &presence.Options{MaxDevices: 5, Logger: log})
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, nil, err
	}

	opts := wrap.Harden(nil) // before NewServer
	opts.SetMaxHttpBufferSize(64 << 10)
	opts.SetConnectTimeout(10 * time.Second)
	io := socket.NewServer(nil, opts)
	wrap.UseAll(io, // every namespace, also those that nobody has thought of
		logs.Middleware(),
		wrap.Require(),
		limit.Middleware(),
		auth.Middleware(),
		online.Middleware(),
	)
	io.Of("/admin", nil).Use(auth.Require(func(c jwtauth.Claims) error {
		if c.Subject != "root" {
			return errors.New("not an administrator") // for the log
		}
		return nil
	}))

	engine := io.ServeHandler(nil)
	logs.Engine(io.Engine())
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", wrap.Handler(engine, logs.Handler, wrap.Origin(), limit.Handler))
	srv := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute, // of connections between requests, such as those of refused clients
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ended := make(chan struct{})
	srv.RegisterOnShutdown(func() {
		defer close(ended)
		io.Close(nil)
	})
	return srv, func(ctx context.Context) error {
		err := errors.Join(online.Close(ctx), srv.Shutdown(ctx)) // in this order; see docs/scaling.md
		select {
		case <-ended:
		case <-ctx.Done():
		}
		return errors.Join(err, auth.Close(ctx))
	}, nil
}

func Example_hardened() {
	if _, _, err := hardened(nil, slog.New(slog.DiscardHandler)); err != nil {
		fmt.Println(err)
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	srv, end, err := hardened(secret, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	site := httptest.NewUnstartedServer(nil)
	site.Config = srv
	site.Start()
	defer site.Close()
	defer func() {
		if err := end(context.Background()); err != nil {
			fmt.Println(err)
		}
	}()
	url := "ws" + strings.TrimPrefix(site.URL, "http") + "/socket.io/?EIO=4&transport=websocket"

	_, res, _ := websocket.DefaultDialer.Dial(url, http.Header{"Origin": {"https://evil.example"}})
	fmt.Println(res.StatusCode)
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	_, _, _ = conn.ReadMessage() // OPEN
	for _, connect := range []string{
		`40`,
		`40/admin,`,
		`40{"token":"eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0."}`, // alg none, sub root
	} {
		_ = conn.WriteMessage(websocket.TextMessage, []byte(connect))
		_, answer, _ := conn.ReadMessage()
		_, code, _ := strings.Cut(string(answer), `"code":"`)
		code, _, _ = strings.Cut(code, `"`)
		fmt.Println(string(answer[:2]), code)
	}
	// Output:
	// jwtauth: HMAC: key 1: jws: empty secret; is a variable not set?
	// 403
	// 44 token_missing
	// 44 token_missing
	// 44 token_invalid
}
