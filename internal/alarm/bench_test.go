package alarm

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

const many = 100_000

// heapBytes returns the bytes in use after a collection.
func heapBytes() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// times are spread over an hour that begins in an hour.
func times() []time.Time {
	all := make([]time.Time, many)
	for i := range all {
		all[i] = time.Unix(time.Now().Unix()+3600+rand.Int64N(3600), 0)
	}
	return all
}

func perAlarm(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/many, "ns/alarm")
}

// BenchmarkArm arms 100,000 alarms; B/alarm excludes the struct itself.
func BenchmarkArm(b *testing.B) {
	at, alarms := times(), make([]Alarm, many)
	var bytes float64
	for b.Loop() {
		b.StopTimer()
		clear(alarms)
		c, before := New(8), heapBytes()
		b.StartTimer()
		for i := range alarms {
			c.Set(&alarms[i], at[i])
		}
		b.StopTimer()
		bytes = (heapBytes() - before) / many
		_ = c.Close(b.Context())
		b.StartTimer()
	}
	perAlarm(b)
	b.ReportMetric(bytes, "B/alarm")
}

// BenchmarkRearm moves each of 100,000 alarms.
func BenchmarkRearm(b *testing.B) {
	at, alarms, c := times(), make([]Alarm, many), New(8)
	for i := range alarms {
		c.Set(&alarms[i], at[i])
	}
	for b.Loop() {
		for i := range alarms {
			c.Set(&alarms[i], at[(i+b.N)%many].Add(time.Minute))
		}
	}
	perAlarm(b)
	_ = c.Close(b.Context())
}

func BenchmarkStop(b *testing.B) {
	at, alarms, c := times(), make([]Alarm, many), New(8)
	for b.Loop() {
		b.StopTimer()
		for i := range alarms {
			c.Set(&alarms[i], at[i])
		}
		b.StartTimer()
		for i := range alarms {
			c.Stop(&alarms[i])
		}
	}
	perAlarm(b)
	_ = c.Close(b.Context())
}

// BenchmarkFire makes 100,000 alarms due at the same moment.
func BenchmarkFire(b *testing.B) {
	alarms, c := make([]Alarm, many), New(8)
	var wg sync.WaitGroup
	for i := range alarms {
		alarms[i].Run = wg.Done
	}
	for b.Loop() {
		b.StopTimer()
		at := time.Now().Add(200 * time.Millisecond)
		wg.Add(many)
		for i := range alarms {
			c.Set(&alarms[i], at)
		}
		<-time.After(time.Until(at))
		b.StartTimer()
		wg.Wait()
	}
	perAlarm(b)
	_ = c.Close(b.Context())
}
