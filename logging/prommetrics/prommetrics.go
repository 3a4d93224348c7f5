package prommetrics

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sioware/sioware/internal/nilptr"
	"github.com/sioware/sioware/logging"
)

// Metrics is a [logging.Observer]. It may serve several Loggers; their connections are
// counted together. All its methods may be called concurrently, and do not block.
type Metrics struct {
	namespaces map[string]*series // by namespace; requests have none
	rest       *series            // of all other namespaces

	refused   *prometheus.CounterVec
	abandoned *prometheus.CounterVec
	durations []prometheus.Observer // by class

	known known // namespaces
	codes known
	by    names
}

var _ logging.Observer = (*Metrics)(nil)

// series are those of a namespace, whose labels are resolved once.
type series struct {
	opened, sent, bytesIn, bytesOut prometheus.Counter
	inFlight                        prometheus.Gauge
	closed                          []prometheus.Counter // by class
	events                          map[string]*received
	others                          *received // events
}

// received counts the events of one name, by outcome.
type received [len(outcomes)]prometheus.Counter

// New registers the metrics with reg, all or none. The error joins all faults of its
// arguments, or is that of reg, for example if they are registered already.
func New(reg prometheus.Registerer, opts *Options) (*Metrics, error) {
	o, err := opts.audit()
	if reg == nil || nilptr.Is(reg) {
		err = errors.Join(errors.New("prommetrics: no Registerer"), err)
	}
	if err != nil {
		return nil, err
	}
	m, all := build(&o)
	if err := reg.Register(all); err != nil {
		return nil, fmt.Errorf("prommetrics: %w", err)
	}
	return m, nil
}

// build creates the metrics. They form one collector, so that either all are registered
// or none.
func build(o *Options) (*Metrics, prometheus.Collector) {
	var all []prometheus.Collector
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: o.Prefix, Name: name, Help: help, ConstLabels: o.ConstLabels,
		}, labels)
		all = append(all, v)
		return v
	}
	opened := counter("connections_opened_total", "Sockets that have been connected.", "namespace")
	closed := counter("connections_closed_total", "Sockets that have been disconnected, by whose doing it was.", "namespace", "class")
	events := counter("events_received_total", "Events that clients have sent, by what became of them.", "namespace", "event", "outcome")
	sent := counter("events_sent_total", "Events that sockets were sent; counted when they close.", "namespace")
	bytesIn := counter("received_bytes_total", "Size of the packets that sockets have sent, before compression; counted when they close.", "namespace")
	bytesOut := counter("sent_bytes_total", "Size of the packets that sockets were sent, before compression; counted when they close.", "namespace")
	m := &Metrics{
		namespaces: make(map[string]*series),
		refused:    counter("connections_refused_total", "Sockets and requests that were refused, by whom and why.", "namespace", "by", "code"),
		abandoned:  counter("connections_abandoned_total", "Sockets and requests whose client left before it was decided.", "namespace"),
		known:      knownOf([]string{"/"}, o.Namespaces),
		codes:      codesOf(o.Codes),
	}
	inFlight := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: o.Prefix, Name: "connections_in_flight", Help: "Sockets that are connected.", ConstLabels: o.ConstLabels,
	}, []string{"namespace"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: o.Prefix, Name: "connection_duration_seconds", Help: "How long sockets were connected, by whose doing the end was.",
		Buckets: o.Buckets, ConstLabels: o.ConstLabels,
	}, []string{"class"})
	all = append(all, inFlight, duration)

	// Create them at zero: a rate does not see the first step of a series that starts at
	// one.
	seriesOf := func(namespace string) *series {
		s := &series{
			opened: opened.WithLabelValues(namespace), sent: sent.WithLabelValues(namespace),
			bytesIn: bytesIn.WithLabelValues(namespace), bytesOut: bytesOut.WithLabelValues(namespace),
			inFlight: inFlight.WithLabelValues(namespace), events: make(map[string]*received),
		}
		for _, class := range classes {
			s.closed = append(s.closed, closed.WithLabelValues(namespace, string(class)))
		}
		eventsOf := func(event string) *received {
			r := new(received)
			for i, outcome := range outcomes {
				r[i] = events.WithLabelValues(namespace, event, outcome)
			}
			return r
		}
		for _, event := range o.Events {
			s.events[event] = eventsOf(event)
		}
		s.others = eventsOf(other)
		m.abandoned.WithLabelValues(namespace)
		return s
	}
	for namespace := range m.known {
		m.namespaces[namespace] = seriesOf(namespace)
	}
	m.rest = seriesOf(other)
	m.abandoned.WithLabelValues(none)
	for _, class := range classes {
		m.durations = append(m.durations, duration.WithLabelValues(string(class)))
	}
	return m, &together{all}
}

// of returns the series of a namespace.
func (m *Metrics) of(namespace string) *series {
	if s := m.namespaces[namespace]; s != nil {
		return s
	}
	return m.rest
}

// Opened implements [logging.Observer].
func (m *Metrics) Opened(c logging.Conn) {
	s := m.of(c.Namespace)
	s.opened.Inc()
	s.inFlight.Inc()
}

// Refused implements [logging.Observer].
func (m *Metrics) Refused(c logging.Conn, r logging.Refusal) {
	namespace := m.known.label(c.Namespace)
	if r.Abandoned {
		m.abandoned.WithLabelValues(namespace).Inc()
		return
	}
	m.refused.WithLabelValues(namespace, m.by.label(r.By), m.codes.label(r.Code)).Inc()
}

// Event implements [logging.Observer].
func (m *Metrics) Event(c logging.Conn, e logging.Event) {
	s := m.of(c.Namespace)
	r := s.events[e.Name]
	if r == nil {
		r = s.others
	}
	r[outcomeOf(&e)].Inc()
}

// Closed implements [logging.Observer].
func (m *Metrics) Closed(c logging.Conn, sum logging.Summary) {
	s := m.of(c.Namespace)
	class := classOf(sum.Class)
	s.inFlight.Dec()
	s.closed[class].Inc()
	m.durations[class].Observe(sum.Duration.Seconds())
	// A counter panics if a negative value is added.
	s.sent.Add(float64(max(0, sum.EventsOut)))
	s.bytesIn.Add(float64(max(0, sum.BytesIn)))
	s.bytesOut.Add(float64(max(0, sum.BytesOut)))
}

// together is a group of collectors that are registered as one.
type together struct{ all []prometheus.Collector }

// Describe implements [prometheus.Collector].
func (t *together) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range t.all {
		c.Describe(ch)
	}
}

// Collect implements [prometheus.Collector].
func (t *together) Collect(ch chan<- prometheus.Metric) {
	for _, c := range t.all {
		c.Collect(ch)
	}
}
