// Package storetest tests stores of package presence against their documentation: [Run]
// and [RunShared] are the contract of [presence.Store] in executable form.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) presence.Store {
//			s := mystore.New(...)
//			t.Cleanup(func() { _ = s.Close(context.Background()) })
//			return s
//		})
//	}
//
// # What it does
//
// Each case is a subtest that checks a sentence, and quotes it if the store breaks it.
// Cases run in parallel, each with users, rooms and devices of its own, in real time:
// against a server as well as in memory. Run it with -race, too. Model makes random calls
// and compares what the store knows and reports with a simple model; if that fails it
// prints the seed, which PRESENCE_SEED sets.
//
// # Where in the chain
//
// In the tests of those who write a store. Package presence/redisstore and
// [presence.MemoryStore] pass it.
//
// # What clients see
//
// Nothing.
//
// # Limits
//
// It cannot kill the process, so it does not test that the seats of a dead node are
// given up, and it does not cut the network.
package storetest
