package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// KickOption changes what [Tracker.Kick] does.
type KickOption func(*kickOptions)

type kickOptions struct {
	except []*socket.Socket
	reason string
}

// Except spares the device of s: "sign out everywhere else". If s does not belong to the
// user, nobody is kicked.
func Except(s *socket.Socket) KickOption {
	return func(o *kickOptions) { o.except = append(o.except, s) }
}

// Reason is sent to the client, as "reason" beside the code; at most 256 bytes.
func Reason(text string) KickOption {
	return func(o *kickOptions) { o.reason = text }
}

// maxReason is how many bytes of a reason are sent.
const maxReason = 256

// Kick disconnects the devices of a user, on all nodes. Their clients get the event
// "kicked" with the code replaced (see wrap.Kick) and the message "Disconnected by the
// server", and do not come back by themselves. If no device is spared the user goes offline
// at once, without grace.
//
// It returns how many devices those were, as far as the Store knows: each of their nodes
// disconnects them as soon as it is told, at the latest when it reaches the Store again.
// Until then they are not online, but still count in their rooms; if a node has died, until
// the Store has given up its seats, and then for the grace. A device that its node has not
// been able to tell the Store of yet stays, unless that node is this one. If the Store does
// not answer, the devices of this process are kicked, and the error is [ErrUnavailable], or
// that of ctx. A device that had dropped before is not kicked: the user stays a member of
// its rooms for the grace.
func (t *Tracker) Kick(ctx context.Context, user string, opts ...KickOption) (int, error) {
	var o kickOptions
	for _, opt := range opts {
		opt(&o)
	}
	o.reason = strings.ToValidUTF8(o.reason[:min(len(o.reason), maxReason)], "")
	if t.isClosed() {
		return 0, ErrClosed
	}
	var except []string
	for _, s := range o.except {
		id, _ := t.From(s)
		if id.User != user {
			return 0, fmt.Errorf("%w: Except: not a device of the user", ErrAbsent)
		}
		except = append(except, id.Device)
	}
	n, err := t.store.Evict(ctx, user, CauseKicked, o.reason, except...)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
		n = 0
		for _, d := range t.local(user)[user] {
			if !slices.Contains(except, d.id) {
				t.evict(d, &Eviction{User: user, Device: d.id, Cause: CauseKicked, Reason: o.reason})
				n++
			}
		}
	}
	return n, fmt.Errorf("presence: %w", err)
}

// local returns the devices of some users that are connected to this process.
func (t *Tracker) local(users ...string) map[string][]*device {
	found := make(map[string][]*device, len(users))
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, user := range users {
		found[user] = slices.DeleteFunc(slices.Clone(t.users[user]), func(d *device) bool { return !d.seated() })
	}
	return found
}

// evicted is called when the Store has taken the seat of a device away.
func (t *Tracker) evicted(e Eviction) {
	t.mu.Lock()
	d := t.devices[e.Device]
	t.mu.Unlock()
	if d != nil {
		t.evict(d, &e)
	}
}

// evict has d disconnected. Not at once: the caller may be in the middle of
// something, and listeners of "disconnect" may take their time.
func (t *Tracker) evict(d *device, e *Eviction) {
	d.mu.Lock()
	first := d.evicted == nil
	if first {
		d.evicted = e
	}
	d.mu.Unlock()
	if first {
		t.clock.Set(&d.kick, time.Now())
	}
}

// putOut disconnects the sockets of a device that was evicted, and waits for their listeners
// of "disconnect". One that hangs must not keep the socket of another namespace connected.
func (t *Tracker) putOut(d *device) {
	d.mu.Lock()
	e, sockets := d.evicted, slices.Clone(d.sockets)
	d.mu.Unlock()
	var kicks sync.WaitGroup
	for _, s := range sockets {
		kicks.Go(func() { wrap.Kick(s, e.refusal()) })
	}
	kicks.Wait()
}
