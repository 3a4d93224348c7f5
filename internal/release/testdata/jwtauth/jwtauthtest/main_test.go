package main

import (
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwks"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

func TestKeyServer(t *testing.T) {
	signer := jwtauthtest.NewSigner(t, "RS256")
	server := jwtauthtest.NewKeyServer(t, signer)
	keys, err := jwks.New(server.URL(), &jwks.Options{Client: server.Client(), InsecureHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close(t.Context())
	auth, err := jwtauth.New[jwtauth.Claims](keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer auth.Close(t.Context())
	id, err := auth.Authenticate(t.Context(), signer.Token("ada", time.Minute))
	if err != nil || id.Claims.Subject != "ada" {
		t.Fatal(id, err)
	}
}

func TestStore(t *testing.T) {
	jwtauthtest.TestStore(t, func(*testing.T) (a, b jwtauth.Store) {
		store := jwtauth.NewMemoryStore()
		return store, store
	})
}
