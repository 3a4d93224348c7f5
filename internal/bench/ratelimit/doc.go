// Package ratelimit compares package ratelimit of the main module with other
// limiters for Go that count in memory. It holds nothing but benchmarks and tests,
// and is a module of its own so that the others are no dependencies of the main
// module.
//
//	cd internal/bench/ratelimit && go test -run '^$' -bench . -cpu 1,2
//
// runs all of them beside each other, which takes some minutes:
//
//	BenchmarkTake     a decision on a key that is known, and allowed
//	BenchmarkHandler  the net/http middleware around an empty handler, with one
//	                  client, that is allowed
//	BenchmarkMemory   bytes on the heap for each of 100,000 addresses
//
// Names are made for benchstat: -col /lib puts the libraries into columns.
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
// They do not count alike: sioware, tollbooth and xtime fill a bucket token by token,
// golimiter all at once at the end of an interval, and httprate adds up two windows.
// They do not tell alike either: tollbooth and xtime return a bool, golimiter and
// sioware what is left and when there will be more as well.
//
// # What it does not say
//
// Keys come one after the other, each as often as the others. Neither new keys nor
// refusals are measured, nor what it costs to forget clients that are gone. How many
// bytes a key takes depends on how full the tables are, and so on the number of keys:
// 22 to 64 in a MemoryStore. An httprate counter holds a key twice if it comes in two
// windows, and here it comes in one. There is no network and no server. Package
// ratelimit/redisstore has benchmarks of its own.
package ratelimit
