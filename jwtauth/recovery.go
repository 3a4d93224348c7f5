package jwtauth

import (
	"errors"
	"strconv"

	"github.com/sioware/sioware/internal/recovery"
	"github.com/zishang520/socket.io/v2/socket"
)

var errRecovered = errors.New("the state to be recovered belongs to another user")

// owner is the room of the sockets that may recover each other's state.
func owner[C any](id *Identity[C]) socket.Room {
	if id == nil {
		return "sioware:owner:guest"
	}
	// Quoted, so that no two owners collide: not even a user and a token with the same name.
	who := "user" + strconv.Quote(id.Issuer) + strconv.Quote(id.Subject)
	if id.Subject == "" {
		who = "token" + strconv.Quote(id.Issuer) + strconv.Quote(id.ID)
	}
	return recovery.Room("owner", who)
}
