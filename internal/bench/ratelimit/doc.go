// Package ratelimit compares package ratelimit of the main module with other Go limiters
// that count in memory. It contains only benchmarks and tests, and is a module of its own
// so that the others are not dependencies of the main module.
//
//	cd internal/bench/ratelimit && go test -run '^$' -bench . -cpu 1,2
//
// runs all of them side by side, which takes some minutes:
//
//	BenchmarkTake     a decision on a key that is known, and allowed
//	BenchmarkHandler  the net/http middleware around an empty handler, with one
//	                  client, that is allowed
//	BenchmarkMemory   bytes on the heap for each of 100,000 addresses
//
// Names are suited to benchstat: -col /lib puts the libraries into columns.
//
// # What is compared
//
//	sioware    MemoryStore.Take, and Limiter.Handler
//	httprate   RateLimiter.OnLimit, and LimitBy
//	golimiter  Take of a memorystore, and httplimit.Middleware
//	tollbooth  Limiter.LimitReached, and LimitHandler
//	xtime      a rate.Limiter for each key, found by its index: a floor for all that
//	           look one up by key
//	none       the empty handler alone: the floor of the middleware
//
// They do not count alike: sioware, tollbooth and xtime refill a bucket token by token,
// golimiter all at once at the end of an interval, and httprate adds up two windows. Nor
// do they report alike: tollbooth and xtime return a bool, golimiter and sioware also
// what is left and when there will be more.
//
// # What it does not say
//
// Keys come one after the other, each as often as the others. Neither new keys nor
// refusals are measured, nor the cost of forgetting clients that are gone. How many bytes
// a key takes depends on how full the tables are, and so on the number of keys: 22 to 64
// in a MemoryStore. An httprate counter holds a key twice if it comes in two windows, and
// here it comes in one. There is no network and no server. Package ratelimit/redisstore
// has benchmarks of its own.
package ratelimit
