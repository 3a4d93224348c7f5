// Package alarm keeps many alarms with one timer of the runtime, and with no
// goroutine while nothing is due. An alarm costs a few words in the struct of its
// owner and one in a heap.
//
// It is meant for times at which something about a client expires: there may be 100,000
// of them, mostly stopped or moved before they are due, and many may be due at the same
// moment, when tokens were issued together.
package alarm
