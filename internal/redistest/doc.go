// Package redistest gives tests a Redis of their own, and ways to break it.
package redistest
