package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// token returns an HS256 token as an issuer would create it.
func token(key, user string, now time.Time) string {
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString(fmt.Appendf(nil,
		`{"iss":"https://issuer.example","sub":%q,"jti":"id of %s","iat":%d,"exp":%d}`,
		user, user, now.Unix(), now.Add(12*time.Hour).Unix()))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + enc.EncodeToString(mac.Sum(nil))
}

// newIdentity returns a user without a session. The cookie is as long as those of the
// servers, so that all clients send the same amount.
func newIdentity(i int, now time.Time) *identity {
	user := "user-" + strconv.Itoa(1_000_000+i)
	return &identity{
		user:   user,
		cookie: "sid=" + strings.Repeat("x", 120),
		auth:   `{"token":"` + token(secret, user, now) + `","user":"` + user + `"}`,
	}
}

// identities returns n users from the first on, signed in if the server has sessions.
func identities(s *server, first, n int) ([]*identity, error) {
	now := time.Now()
	all := make([]*identity, n)
	for i := range all {
		all[i] = newIdentity(first+i, now)
	}
	if !s.has("session") && !s.has("plain") {
		return all, nil
	}
	const workers = 8
	transport := &http.Transport{MaxIdleConnsPerHost: workers}
	defer transport.CloseIdleConnections()
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = all[i].signIn(transport, s.addr)
			}
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// signIn gets the cookie of a new session.
func (id *identity) signIn(t http.RoundTripper, addr string) error {
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/login?user="+id.user, nil)
	if err != nil {
		return err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	for _, c := range resp.Cookies() {
		if c.Name == "sid" && resp.StatusCode == http.StatusOK {
			id.cookie = c.Name + "=" + c.Value
			return nil
		}
	}
	return fmt.Errorf("no session for %s: %s: %.200s", id.user, resp.Status, text)
}
