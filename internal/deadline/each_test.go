package deadline_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/internal/deadline"
)

func TestEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		hang := make(chan struct{})
		began := time.Now()
		if !deadline.Each([]int{1, 2, 3}, time.Second, func(i int) { n.Add(int32(i)) }) || n.Load() != 6 {
			t.Errorf("not all have returned: %d", n.Load())
		}
		if deadline.Each([]int{1, 2, 3}, time.Second, func(i int) {
			if i == 1 {
				<-hang
			}
			n.Add(int32(i))
		}) || n.Load() != 11 {
			t.Errorf("one that hangs: %d", n.Load())
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("after %v", d)
		}
		close(hang)
		synctest.Wait()
		if n.Load() != 12 {
			t.Errorf("one that has hung: %d", n.Load())
		}
	})
}
