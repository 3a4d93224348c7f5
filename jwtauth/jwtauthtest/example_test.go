package jwtauthtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

// yours stands for the testing.T of a test.
type yours struct{ testing.TB }

func (yours) Helper() {}

func Example() {
	var t testing.TB = yours{} // in a test: its t

	signer := jwtauthtest.NewSigner(t, "ES256")
	auth, err := jwtauth.New[jwtauth.Claims](signer.Keys(), nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer func() { _ = auth.Close(context.Background()) }()

	for _, token := range []string{
		signer.Token("alice", time.Minute),
		signer.Token("alice", -time.Minute),
		jwtauthtest.NewSigner(t, "ES256").Token("alice", time.Minute),
		signer.SignHeader(map[string]any{"alg": "none"}, map[string]any{"sub": "alice"}),
	} {
		id, err := auth.Authenticate(context.Background(), token)
		switch {
		case errors.Is(err, jwtauth.ErrExpired):
			fmt.Println("expired")
		case errors.Is(err, jwtauth.ErrInvalid):
			fmt.Println("invalid")
		case err == nil:
			fmt.Println("hello,", id.Subject)
		}
	}
	// Output:
	// hello, alice
	// expired
	// invalid
	// invalid
}
