package redisstore

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

// message is a [jwtauth.Change] on the channel. Strings are sent as bytes, in
// base64, because they need not be UTF-8.
type message struct {
	Version    int         `json:"v"`
	Revocation *revocation `json:"revocation,omitempty"`
	Login      *login      `json:"login,omitempty"`
}

// version is the version of the format. A process that does not know it takes the
// message for the zero Change.
const version = 1

type revocation struct {
	ID      []byte   `json:"id,omitempty"`
	Subject []byte   `json:"sub,omitempty"`
	Before  *instant `json:"before,omitempty"`
	Until   *instant `json:"until,omitempty"`
}

type login struct {
	ID        []byte              `json:"id,omitempty"`
	Issuer    []byte              `json:"iss,omitempty"`
	Subject   []byte              `json:"sub,omitempty"`
	Name      []byte              `json:"name,omitempty"`
	Replaces  []byte              `json:"replaces,omitempty"`
	IssuedAt  *instant            `json:"iat,omitempty"`
	ExpiresAt *instant            `json:"exp,omitempty"`
	Until     *instant            `json:"until,omitempty"`
	Policy    jwtauth.LoginPolicy `json:"policy"`
}

// instant is a time: seconds since 1970, and nanoseconds. Unlike the JSON of
// package time, it can represent every time.
type instant [2]int64

// instantOf returns nil for the zero time.
func instantOf(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return &instant{t.Unix(), int64(t.Nanosecond())}
}

func (i *instant) time() time.Time {
	if i == nil {
		return time.Time{}
	}
	if t := time.Unix(i[0], i[1]); !t.IsZero() {
		return t
	}
	return time.Time{}
}

// encode returns the message for c.
func encode(c jwtauth.Change) (string, error) {
	m := message{Version: version}
	if r := c.Revocation; r.ID != "" || r.Subject != "" {
		m.Revocation = &revocation{
			ID:      []byte(r.ID),
			Subject: []byte(r.Subject),
			Before:  instantOf(r.Before),
			Until:   instantOf(r.Until),
		}
	}
	if l := c.Login; l.Subject != "" {
		m.Login = &login{
			ID:        []byte(l.ID),
			Issuer:    []byte(l.Issuer),
			Subject:   []byte(l.Subject),
			Name:      []byte(l.Name),
			Replaces:  []byte(l.Replaces),
			IssuedAt:  instantOf(l.IssuedAt),
			ExpiresAt: instantOf(l.ExpiresAt),
			Until:     instantOf(l.Until),
			Policy:    l.Policy,
		}
	}
	b, err := json.Marshal(m)
	return string(b), err
}

// decode is the inverse of encode.
func decode(s string) (c jwtauth.Change, err error) {
	var m message
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		return c, err
	}
	if m.Version != version {
		return c, errors.New("unknown version")
	}
	if r := m.Revocation; r != nil {
		c.Revocation = jwtauth.Revocation{
			ID:      string(r.ID),
			Subject: string(r.Subject),
			Before:  r.Before.time(),
			Until:   r.Until.time(),
		}
	}
	if l := m.Login; l != nil {
		c.Login = jwtauth.Login{
			ID:        string(l.ID),
			Issuer:    string(l.Issuer),
			Subject:   string(l.Subject),
			Name:      string(l.Name),
			Replaces:  string(l.Replaces),
			IssuedAt:  l.IssuedAt.time(),
			ExpiresAt: l.ExpiresAt.time(),
			Until:     l.Until.time(),
			Policy:    l.Policy,
		}
	}
	if c.Revocation.ID == "" && c.Revocation.Subject == "" && c.Login.Subject == "" {
		return jwtauth.Change{}, errors.New("no change")
	}
	return c, nil
}
