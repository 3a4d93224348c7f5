package session

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sioware/sioware/internal/deadline"
	"github.com/zishang520/socket.io/v2/socket"
)

// topic is the event with which the servers of a cluster notify each other of sessions
// that have ended. Clients cannot send it: it belongs to the namespace, not to sockets.
func (m *Manager) topic() string { return "sioware:session:" + m.name }

// follow makes m know io, and receive what its other nodes send.
func (m *Manager) follow(io *socket.Server) {
	once := m.servers.Load(io)
	if once == nil {
		once, _ = m.servers.LoadOrStore(io, new(sync.Once))
	}
	once.Do(func() {
		_ = io.On(m.topic(), func(args ...any) {
			if len(args) < 2 {
				return
			}
			key, _ := args[0].(string)
			renewed, _ := args[1].(bool)
			m.heard(key, renewed)
		})
		m.mu.Lock()
		m.cluster = append(m.cluster, io)
		m.mu.Unlock()
	})
}

// notifyNodes notifies the other nodes that a session has ended. It waits for their adapters,
// but not for one that hangs, as those for Redis do while Redis hangs.
func (m *Manager) notifyNodes(ctx context.Context, key string, renewed bool) {
	m.mu.Lock()
	cluster := m.cluster
	m.mu.Unlock()
	if !deadline.Each(cluster, m.opts.Timeout, func(io *socket.Server) {
		// An adapter that knows no other nodes returns an error.
		if err := m.emit(ctx, io, key, renewed); err != nil {
			m.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "session: other nodes are not notified", slog.Any("error", err))
		}
	}) {
		m.warn(ctx, "other nodes are notified late, or not at all", context.DeadlineExceeded)
	}
}

// emit notifies the other nodes of one server. A panic of its adapter does not
// affect the other servers.
func (m *Manager) emit(ctx context.Context, io *socket.Server, key string, renewed bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = m.panicked(ctx, "the adapter", p)
		}
	}()
	return io.ServerSideEmit(m.topic(), key, renewed)
}

// heard ends a session that another node has ended.
func (m *Manager) heard(key string, renewed bool) {
	if m.closed.Load() {
		return
	}
	m.end(key, renewed)
	m.mu.Lock()
	last, late := m.written.get(key, time.Now())
	m.mu.Unlock()
	if sockets, retry := m.retire(key, nil); len(sockets) > 0 {
		m.busy.enter()
		go func() { // adapters deliver nothing else until heard returns
			defer m.busy.leave()
			m.kick(sockets, retry)
		}()
	}
	if late {
		// Our save may have come after the other node had erased it.
		m.eraseSoon(key, last.lead)
	}
}

// wrote records when a session was saved.
func (m *Manager) wrote(key string, lead lead, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.written.add(key, write{lead, at}, at)
}

// saved records that a session was saved by a call that had been given up.
func (m *Manager) saved(key string, lead lead) {
	m.wrote(key, lead, time.Now())
	if m.alive(key) != nil {
		m.eraseSoon(key, lead)
	}
}
