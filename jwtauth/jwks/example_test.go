package jwks_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwks"
)

// An identity provider, and a server that lets its users in.
func Example() {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2025-1","use":"sig","alg":"EdDSA",`+
			`"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`) // RFC 8037, appendix A.2
	}))
	defer provider.Close()

	keys, err := jwks.New(provider.URL, &jwks.Options{InsecureHTTP: true}) // https elsewhere
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = keys.Close(context.Background()) }()

	auth, err := jwtauth.New(keys, &jwtauth.Options[jwtauth.Claims]{
		Issuers:   []string{"https://id.example.com"},
		Audiences: []string{"chat"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = auth.Close(context.Background()) }()

	for _, token := range []string{
		// Of 2025-1, for alice, until 2286.
		"eyJhbGciOiJFZERTQSIsImtpZCI6IjIwMjUtMSJ9." +
			"eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwic3ViIjoiYWxpY2UiLCJhdWQiOiJjaGF0IiwiZXhwIjo5OTk5OTk5OTk5fQ." +
			"lJ6e0fX_hzewNgsJ8WfEmMVYXstRKu7vpI4BGWfMTSfhxpr4wOX5KUJsjgh7ymJm7cjWZqe2MCktUBAffiF5AQ",
		// The same, which says that it is signed with another key.
		"eyJhbGciOiJFZERTQSIsImtpZCI6IjIwMjUtMiJ9." +
			"eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwic3ViIjoiYWxpY2UiLCJhdWQiOiJjaGF0IiwiZXhwIjo5OTk5OTk5OTk5fQ." +
			"DwKP4AoWVATDdwsFG2ipckYNIIwNtUbSgnL0s1HkMQO2R3fbCuF_mCiCxeG0Vv3Hm0EjxUt-L4WWY83n2qunAg",
	} {
		id, err := auth.Authenticate(context.Background(), token)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("hello,", id.Subject)
	}
	// Output:
	// hello, alice
	// token_invalid: Token invalid: jwtauth: token invalid: no key for kid "2025-2", alg "EdDSA"
}
