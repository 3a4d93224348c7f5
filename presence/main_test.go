package presence_test

import (
	"testing"

	"github.com/sioware/sioware/internal/siotest"
)

func TestMain(m *testing.M) { siotest.Main(m, nil, siotest.IgnoreHostTimers()...) }
