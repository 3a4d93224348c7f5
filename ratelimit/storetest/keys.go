package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

const saysKey = "A key is any string, of any length."

var keyCases = []storeCase{
	{"Keys", saysFresh, func(k *kit) {
		l := ratelimit.PerHour(2)
		for i := range 50 {
			k.allowed("another key", k.key(fmt.Sprint(i)), l, 2, 0)
		}
		for i := range 50 {
			k.refused("the same keys", k.key(fmt.Sprint(i)), l, 1, 0)
		}
	}, false},
	{"OddKeys", saysKey, func(k *kit) {
		l := ratelimit.Every(time.Hour)
		for _, round := range []func(what, key string){
			func(what, key string) { k.allowed(what, key, l, 1, 0) },
			func(what, key string) { k.refused(what, key, l, 1, 0) },
		} {
			for _, o := range odd() {
				what := fmt.Sprintf("%.20q, %d bytes,", o, len(o))
				round(what+" before the rest", o+k.tag)
				round(what+" after it", k.tag+"-"+o)
			}
		}
	}, false},
	{"EmptyKey", saysKey, func(k *kit) {
		// Others may use this key, so nothing is known about its bucket.
		l := ratelimit.PerHour(1e9)
		before := k.take("", l, 0).Remaining
		if v := k.take("", l, 1); !v.Allowed && before > 0 {
			k.fail("%+v where %d were there", v, before)
		}
	}, false},
	{"LongKeys", saysKey, func(k *kit) {
		// Two keys that differ in the last byte, and one that is a prefix of both.
		l := ratelimit.Every(time.Hour)
		long := k.tag + strings.Repeat("x", 1<<20)
		for _, key := range []string{long + "a", long + "b", long} {
			k.allowed("a key of 1 MB", key, l, 1, 0)
		}
		for _, key := range []string{long + "a", long + "b", long} {
			k.refused("the same", key, l, 1, 0)
		}
	}, false},
}
