package logging

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sioware/sioware/internal/clientip"
	"github.com/sioware/sioware/internal/sidecar"
	"github.com/sioware/sioware/logging/internal/redact"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// Logger records what becomes of connections. Make one with [New], for all namespaces; it
// is safe for concurrent use. It has no goroutine of its own and needs no Close.
//
// Records are written on the goroutines that serve clients: a slow slog.Handler delays
// the client that the record is about. If it panics, the record is lost.
type Logger struct {
	opts    Options
	proxies *clientip.Source
	handler slog.Handler
	logger  *slog.Logger // of handler
	names   redact.Names // of Options.Secrets
	events  *sampler     // nil if none are recorded
	members sidecar.Map[socket.Socket, member]
	clients sidecar.Map[socket.Client, client]
	engines sidecar.Map[types.Map[string, engine.Socket], struct{}]
	mishaps mishaps
}

// New returns a Logger that writes to logger, which must not be nil: pass slog.Default()
// for the default one. The error joins all faults.
func New(logger *slog.Logger, opts *Options) (*Logger, error) {
	var missing error
	if logger == nil || logger.Handler() == nil {
		missing = errors.New("logging: no logger")
	}
	o, proxies, err := opts.audit()
	if err := errors.Join(missing, err); err != nil {
		return nil, err
	}
	l := &Logger{opts: o, proxies: proxies, handler: logger.Handler()}
	if !o.InsecureSecrets {
		r := redactor(l.handler, o.Secrets)
		l.handler, l.names = r, r.Names()
	}
	l.logger = slog.New(l.handler)
	if o.Events != nil {
		l.events = newSampler(o.Events.First, o.Events.Every)
	}
	return l, nil
}

// Middleware returns the connection middleware, for io.Use, nsp.Use or wrap.UseAll. It
// refuses nobody. It should be the first: it does not see what middlewares before it
// refuse. See the package documentation for the records. Using it twice has no further
// effect.
//
// If neither the levels of the records nor slog.LevelError are enabled when a socket
// comes, and there is no Observer, it ignores that socket for good.
func (l *Logger) Middleware() socket.NamespaceMiddleware { return wrap.Func(l.join) }

// join starts following s.
func (l *Logger) join(ctx context.Context, s *socket.Socket) error {
	if l.off(ctx) || l.members.Load(s) != nil {
		return nil
	}
	c := l.clientOf(ctx, s)
	m := l.newMember(s, c)
	if _, stored := l.members.LoadOrStore(s, m); !stored {
		return nil
	}
	c.add(s.Nsp().Name(), m)
	w := &watcher{m, s}
	hooks := wrap.Hooks{Connected: w.connected, Refused: w.refused, Fault: w.fault}
	if l.tapped() {
		hooks.Event = w.passed
	}
	wrap.Watch(s, hooks)
	_ = s.On("error", m.garbled)
	m.follow(s)
	return nil
}

// off reports whether nothing that happens to a socket would be reported.
func (l *Logger) off(ctx context.Context) bool {
	return l.opts.Observer == nil && !l.enabled(ctx, slog.LevelError) && !l.enabled(ctx, slog.LevelWarn) &&
		!l.enabled(ctx, l.opts.Level.Level()) && (l.events == nil || !l.enabled(ctx, l.opts.Events.Level.Level()))
}

// tapped reports whether each event is observed, which has a cost: see wrap.Hooks.
func (l *Logger) tapped() bool { return l.opts.Observer != nil || l.events != nil }

// From returns a logger for s. Its records have the group conn, as it is at the first
// call or at the first record, and what Options.User and Options.Attrs returned at the
// first call; they pass [Redact] as well. If s has not passed [Logger.Middleware], or was
// ignored by it, the logger has none of these, and ok is false. The logger is never nil.
// From takes no lock, and allocates nothing after the first call. Calls that overlap with
// the first one call both functions too, and get the same logger. From may also be called
// in Options.User and Options.Attrs, and in what they wait for; there it may return a
// logger with only the group, as it may if more than 64 calls are in progress at once.
func (l *Logger) From(s *socket.Socket) (logger *slog.Logger, ok bool) {
	m := l.members.Load(s)
	if m == nil {
		return l.logger, false
	}
	if own := m.logger.Load(); own != nil {
		return own, true
	}
	return m.newLogger(s), true
}

// maxMaking limits how many first calls of From for a socket may be in progress, and how
// deep From may be nested in From, as Options.User and Options.Attrs may call it. None
// can wait for another, which may be waiting for it.
const maxMaking = 64

// newLogger makes the logger of s, unless another call has made it.
func (m *member) newLogger(s *socket.Socket) *slog.Logger {
	defer m.making.Add(-1)
	d := &deferred{base: m.l.handler, m: m}
	if m.making.Add(1) > maxMaking {
		return slog.New(d)
	}
	d.attrs = m.appAttrs(s)
	own := slog.New(d)
	if !deferrable(d.base, d.attrs) {
		own = slog.New(d.handler()) // nobody else has d
	}
	if m.logger.CompareAndSwap(nil, own) {
		return own
	}
	return m.logger.Load()
}

// now returns the time since started.
func now() time.Duration { return time.Since(started) }
