package header_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/sioware/sioware/wrap/internal/header"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	shared := []string{"Origin", "Cookie"}
	dst := http.Header{"Vary": shared[:1], "X-Old": {"1"}, "X-Kept": {"kept"}}
	header.Merge(dst, http.Header{
		"vary": {"Origin", "Accept"}, "set-Cookie": {"a=1", "b=2"}, "X-Old": {"2"}, "X-Kept": {},
	})
	want := http.Header{
		"Vary": {"Origin", "Accept"}, "Set-Cookie": {"a=1", "b=2"}, "X-Old": {"2"}, "X-Kept": {"kept"},
	}
	if !reflect.DeepEqual(dst, want) {
		t.Errorf("got %v, want %v", dst, want)
	}
	if shared[1] != "Cookie" {
		t.Error("a slice that somebody else has was written to")
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header[header.Protocol] = []string{"chat, v2", "v3"}
	offered := header.Offered(r)
	if !reflect.DeepEqual(offered, []string{"chat", "v2", "v3"}) {
		t.Fatalf("offered: %q", offered)
	}
	first := http.Header{"X-Frame-Options": {"DENY"}, "Set-Cookie": {"a", "b"}, "Content-Length": {"3"}, "te": {"x"}, "X-None": {}}
	got := header.Upgrade(offered, first, http.Header{"X-Frame-Options": {"later"}, "Sec-WebSocket-Protocol": {"v2"}})
	want := http.Header{"X-Frame-Options": {"DENY"}, "Set-Cookie": {"a", "b"}, header.Protocol: {"v2"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got.Add("Set-Cookie", "c")
	if got["Set-Cookie"][0] = "changed"; first["Set-Cookie"][0] != "a" {
		t.Error("the values are those of the middleware")
	}
	for _, chosen := range [][]string{{"v4"}, {""}, {"chat", "v2"}} {
		if got := header.Upgrade(offered, http.Header{header.Protocol: chosen}); len(got) != 0 {
			t.Errorf("%q was chosen: %v", chosen, got)
		}
	}
}
