package ratelimit_test

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

// heap returns how much of the heap is in use. What runs at the same time is
// measured as well, so tests that use it are not parallel.
func heap() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has found to be free of finalizers
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// raceDetector is whether the race detector is on: everything is twenty times slower then.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Five million addresses neither make a store of a hundred thousand keys larger, nor
// make it forget the one that is over its limit.
func TestMemoryFlood(t *testing.T) {
	const max = 100_000
	const full = max + max/4 // when there is no room any more
	addresses := 5_000_000
	switch {
	case raceDetector():
		addresses = 2 * max
	case testing.Short():
		addresses /= 10
	}
	before := heap()
	m, l := ratelimit.NewMemoryStore(max), ratelimit.PerHour(2)
	const victim = "c:ip:192.0.2.1"
	for _, allowed := range []bool{true, true, false} {
		if v := take(t, m, victim, l, 1); v.Allowed != allowed {
			t.Fatalf("the victim: %+v", v)
		}
	}

	key := append(make([]byte, 0, 64), "c:ip:"...)
	start := time.Now()
	var early, allowed int64
	for i := range addresses {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], 10<<24+uint32(i))
		if take(t, m, string(netip.AddrFrom4(ip).AppendTo(key)), l, 1).Allowed {
			allowed++
		}
		if i%64 == 0 {
			if v := take(t, m, victim, l, 1); v.Allowed {
				t.Fatalf("the victim after %d addresses: %+v", i+1, v)
			}
		}
		switch i + 1 {
		case max - 1: // and the victim
			used := heap() - before
			t.Logf("%d keys take %.1f bytes each", m.Len(), float64(used)/max)
			if m.Len() != max || used > 200*max {
				t.Errorf("%d keys take %d bytes, want at most 200 each", m.Len(), used)
			}
		case full:
			early = heap()
		}
	}
	took, late := time.Since(start), heap()
	t.Logf("%d addresses took %v, the heap grew by %d bytes after the first %d", addresses, took, late-early, full)
	if late-early > 2<<20 {
		t.Errorf("the heap grew from %d to %d bytes", early, late)
	}
	if m.Len() > max {
		t.Errorf("%d keys, want at most %d", m.Len(), max)
	}
	// One each that found room, and what the others share: two, and two an hour.
	if most := max - 1 + 2 + int64(took/(30*time.Minute)); allowed > most {
		t.Errorf("%d allowed, want at most %d", allowed, most)
	}
	if v := take(t, m, victim, l, 1); v.Allowed {
		t.Errorf("the victim in the end: %+v", v)
	}
	runtime.KeepAlive(m)
}
