package wrap

import (
	"cmp"
	"encoding/json"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/socket.io/v2/socket"
)

// Named gives mw a name, which [Disconnected] has if mw refuses a socket:
//
//	io.Use(wrap.Named("tenants", tenants))
//
// The outermost name counts. Without one, a middleware that this package runs goes by
// its function ("main.admit", "main.main.func1") and those of the packages beside
// this one by their package ("jwtauth"); one of others that the host runs alone has
// none. Named does not protect mw; see [Guard].
func Named(name string, mw socket.NamespaceMiddleware) socket.NamespaceMiddleware {
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		st := stateOf(s)
		outer := st.setName(name, true)
		var passed atomic.Bool
		// The name stays until next is called, which may be later and elsewhere: what
		// follows in the chain runs in there.
		mw(s, func(ext *socket.ExtendedError) {
			if passed.CompareAndSwap(false, true) {
				st.setName(outer, false)
				if ext != nil {
					st.setRefuser(cmp.Or(outer, name))
				}
			}
			next(ext)
		})
	}
}

// setName makes name the one of the middleware that runs, unless it is to be kept
// and there is one, and returns the one before.
func (st *state) setName(name string, keep bool) (old string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	old = st.name
	if !keep || old == "" {
		st.name = name
	}
	return old
}

// by returns who refuses the socket: name is what a middleware of ours goes by that
// nobody has named.
func (st *state) by(name string) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return cmp.Or(st.refused, st.name, name)
}

// setRefuser notes who has refused the socket. The first counts: it is the innermost.
func (st *state) setRefuser(name string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.refused = cmp.Or(st.refused, name)
}

// refuser returns who has refused the socket, if that is known.
func (st *state) refuser() string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.refused
}

// module is where the packages beside this one are.
var module = strings.TrimSuffix(reflect.TypeFor[Error]().PkgPath(), "wrap")

// funcName returns what a middleware goes by that nobody has named.
func funcName(f any) string {
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	if ours, ok := strings.CutPrefix(name, module); ok {
		ours, _, _ = strings.Cut(ours, ".")
		return ours
	}
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], "-fm")
}

// maxTold is how much of a foreign refusal is read.
const maxTold = 64 << 10

// told reads what a CONNECT_ERROR says: {message, data}, or, with Engine.IO 3, the data
// or else the message. It returns nil if it says nothing.
func told(packet []byte, protocol int) error {
	f, ok := wire.Parse(packet)
	if !ok || len(f.Payload) == 0 || len(f.Payload) > maxTold {
		return nil
	}
	var said struct {
		Message string `json:"message"`
		Data    any    `json:"data"`
	}
	if protocol != 3 {
		if err := json.Unmarshal(f.Payload, &said); err != nil {
			return nil
		}
		return socket.NewExtendedError(said.Message, said.Data)
	}
	var alone any
	if err := json.Unmarshal(f.Payload, &alone); err != nil {
		return nil
	}
	if text, ok := alone.(string); ok {
		return socket.NewExtendedError(text, nil)
	}
	data, _ := alone.(map[string]any)
	text, _ := data["message"].(string)
	return socket.NewExtendedError(text, alone)
}
