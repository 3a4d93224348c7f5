// Package cluster contains only tests: servers in processes of their own that share one
// Redis, and what becomes of the users who are online when a process is killed or frozen,
// when Redis goes away, and when the network is cut.
package cluster
