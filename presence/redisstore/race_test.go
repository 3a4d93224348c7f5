//go:build race

package redisstore_test

// raceEnabled: with the race detector the Lua of miniredis, which is written in Go,
// takes a minute for what takes seconds.
const raceEnabled = true
