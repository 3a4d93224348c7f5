//go:build linux

package soak

import (
	"math/rand/v2"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// hesitant is an adapter that takes the steps of the host's own (socket/adapter.go:93 to
// :143), which takes no lock, with pauses between them: what happens there once in 10,000
// connections happens here in seconds. It hesitates for five seconds out of ten, so that
// the host also runs at its own pace.
type hesitant struct{ socket.Adapter }

func (hesitant) New(nsp socket.Namespace) socket.Adapter { return hesitant{socket.NewAdapter(nsp)} }

func hesitate() {
	if time.Now().Unix()/5%2 == 0 && rand.IntN(4) == 0 {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
	}
}

func (a hesitant) AddAll(id socket.SocketId, rooms *types.Set[socket.Room]) {
	hesitate()
	mine, _ := a.Sids().LoadOrStore(id, types.NewSet[socket.Room]())
	for _, room := range rooms.Keys() {
		hesitate()
		mine.Add(room)
		hesitate()
		ids, there := a.Rooms().LoadOrStore(room, types.NewSet[socket.SocketId]())
		if !there {
			a.Emit("create-room", room)
		}
		hesitate()
		if !ids.Has(id) {
			hesitate()
			ids.Add(id)
			a.Emit("join-room", room, id)
		}
	}
}

func (a hesitant) Del(id socket.SocketId, room socket.Room) {
	hesitate()
	if mine, ok := a.Sids().Load(id); ok {
		hesitate()
		mine.Delete(room)
	}
	a.leave(id, room)
}

func (a hesitant) DelAll(id socket.SocketId) {
	hesitate()
	mine, ok := a.Sids().Load(id)
	if !ok {
		return
	}
	hesitate()
	for _, room := range mine.Keys() {
		a.leave(id, room)
	}
	hesitate()
	a.Sids().Delete(id)
}

func (a hesitant) leave(id socket.SocketId, room socket.Room) {
	hesitate()
	ids, ok := a.Rooms().Load(room)
	if !ok {
		return
	}
	hesitate()
	if ids.Delete(id) {
		a.Emit("leave-room", room, id)
	}
	hesitate()
	if ids.Len() > 0 {
		return
	}
	hesitate()
	if _, ok := a.Rooms().LoadAndDelete(room); ok {
		a.Emit("delete-room", room)
	}
}
