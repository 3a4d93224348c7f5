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

// Named gives mw a name, which [Disconnected] reports if mw refuses a socket:
//
//	io.Use(wrap.Named("tenants", tenants))
//
// The outermost name counts. Without one, a middleware that this package runs is called
// by its function ("main.admit", "main.main.func1"), those of the sibling packages by
// their package ("jwtauth"); a foreign one that only the host runs has no name. Named
// does not protect mw; see [Guard].
func Named(name string, mw socket.NamespaceMiddleware) socket.NamespaceMiddleware {
	demand(mw != nil, "Named: nil middleware")
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		st := stateOf(s)
		outer := st.setName(name, true)
		var passed atomic.Bool
		// The name stays until next is called, which may be later and elsewhere: the rest
		// of the chain runs inside that call.
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

// setName sets the name of the running middleware, unless keep is set and there is one
// already. It returns the previous name.
func (st *state) setName(name string, keep bool) (old string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	old = st.name
	if !keep || old == "" {
		st.name = name
	}
	return old
}

// by returns who refuses the socket; name is that of our middleware, used if Named gave
// it none.
func (st *state) by(name string) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return cmp.Or(st.refused, st.name, name)
}

// setRefuser records who has refused the socket. The first call counts: it is the
// innermost.
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

// module is the path prefix of this package and its siblings.
var module = strings.TrimSuffix(reflect.TypeFor[Error]().PkgPath(), "wrap")

// funcName returns the name of a middleware that Named has not named.
func funcName(f any) string {
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	if ours, ok := strings.CutPrefix(name, module); ok {
		ours, _, _ = strings.Cut(ours, ".")
		return ours
	}
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], "-fm")
}

// maxTold is the length of the longest foreign refusal that is parsed.
const maxTold = 64 << 10

// parseRefusal parses a CONNECT_ERROR: {message, data} or, with Engine.IO 3, the data or else the
// message. It returns nil if that is missing, malformed or longer than maxTold.
func parseRefusal(packet []byte, protocol int) error {
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
