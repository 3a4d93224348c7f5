//go:build race

package redisstore_test

// raceEnabled: the Lua of miniredis, which is Go, takes a minute for what takes seconds.
const raceEnabled = true
