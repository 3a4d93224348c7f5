// Package cluster holds tests alone: servers in processes of their own that share one
// Redis, and what becomes of those who are online when a process is killed or frozen, when
// Redis goes away, when the network is cut.
package cluster
