package jwtauth

import (
	"errors"

	"github.com/sioware/sioware/internal/recovery"
	"github.com/zishang520/socket.io/v2/socket"
)

var errRecovered = errors.New("the state that is to be recovered was that of another user")

// owner is the room of the sockets that may recover each other's state.
func owner[C any](id *Identity[C]) socket.Room {
	if id == nil {
		return "sioware:owner:guest"
	}
	who := id.Issuer + "\x00" + id.Subject
	if id.Subject == "" {
		who = "\x00" + id.ID
	}
	return recovery.Room("owner", who)
}
