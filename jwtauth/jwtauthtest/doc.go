// Package jwtauthtest helps to test programs that use package jwtauth: it signs
// tokens, genuine ones and forged ones, and serves key sets.
//
//	signer := jwtauthtest.NewSigner(t, "RS256")
//	auth, err := jwtauth.New(signer.Keys(), &jwtauth.Options[jwtauth.Claims]{...})
//	...
//	token := signer.Token("alice", time.Minute, map[string]any{"aud": "chat"})
//
// # What it does
//
// A [Signer] has a key of its own, new in each test. [Signer.Token] makes the usual
// token, [Signer.Sign] one with any claims, and [Signer.SignHeader] what an attacker
// would send. A [KeyServer] publishes the keys of Signers on loopback for package
// jwks, rotates them, and fails in the ways in which such servers fail.
//
// [TestStore] has the tests that every jwtauth.Store must pass, for those who write
// one.
//
// # Where in the chain
//
// In tests, with [Signer.Keys] in place of the production keys.
//
// # What clients see
//
// The same as in production: nothing here is a mock of package jwtauth.
//
// # Limits
//
// In a bubble of testing/synctest tokens follow the clock of the bubble, but a
// KeyServer cannot be used: its sockets are outside the bubble.
package jwtauthtest
