// Package storetest tests stores of package ratelimit against their documentation: [Run]
// is the contract of [ratelimit.Store] and [ratelimit.SlotStore] in executable form.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) ratelimit.Store {
//			s := mystore.New(...)
//			t.Cleanup(s.Close)
//			return s
//		})
//	}
//
// # What it does
//
// Each case is a subtest that checks one sentence, and quotes it if the store breaks
// it. Cases run in parallel, each with keys of its own, in real time: against a server
// as well as in memory. Run it with -race, too.
//
// # Where in the chain
//
// In the tests of those who write a store. Package ratelimit/redisstore and
// [ratelimit.MemoryStore] pass it.
//
// # What clients see
//
// Nothing.
//
// # Limits
//
// It cannot kill the process, so it does not test that a slot whose process has died
// becomes free by itself, nor can it set a clock back. It does not cut the network.
package storetest
