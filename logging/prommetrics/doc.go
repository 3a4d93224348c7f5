// Package prommetrics turns what package logging reports into Prometheus metrics.
//
//	metrics, err := prommetrics.New(prometheus.DefaultRegisterer, nil)
//	...
//	logs, err := logging.New(slog.Default(), &logging.Options{Observer: metrics})
//
// The metrics, each behind the prefix "sioware_":
//
//	connections_opened_total           namespace
//	connections_refused_total          namespace, by, code
//	connections_abandoned_total        namespace
//	connections_in_flight              namespace
//	connections_closed_total           namespace, class
//	connection_duration_seconds        class; a histogram
//	events_received_total              namespace, event, outcome
//	events_sent_total                  namespace
//	received_bytes_total               namespace
//	sent_bytes_total                   namespace
//
// A connection is a socket: a client that joins two namespaces has two. A request that
// was refused before it could become one counts as refused too, in no namespace; one
// aborted by its handler has the code "aborted", or is abandoned if its client had left.
//
// The outcome of an event is "ok" if it went to its handlers, "handled" if a middleware
// dealt with it, "limited" if it was refused as rate_limited, and otherwise "refused".
// The class of an end is one of those of [logging.Class]. Lifetimes of connections are
// split by class, since that reveals a proxy that ends them after a minute: as "network",
// in one bucket.
//
// # Labels
//
// What clients make up does not become a label. Events, namespaces and codes are labeled
// by name if they are in [Options] or belong to sioware itself; all others are "other".
// The first 64 middlewares keep their names, since it is the program that names them.
// What is empty in package logging is "none" here.
//
// With the default options there are 123 series, and one for each way in which the
// program has refused somebody: 14,000 if every middleware had used every code. An event
// in [Options].Events adds 8 series, and a namespace 16 plus 4 for each event.
//
// # Limits
//
// The bytes that connections have sent and received, and the events that they were sent,
// are counted when they close, since only then does package logging report them. Their
// rates are right over hours, not over minutes.
//
// A process counts its own connections. Sum over a cluster in the query, and tell several
// servers in one process apart by [Options].ConstLabels.
package prommetrics
