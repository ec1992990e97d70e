package worker

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenurehq/tenure/internal/identity"
)

// metrics are what an operator sees of this process's relay and sweeper. Everybody who reaches them may read them: no
// label names a person or an organization.
type metrics struct {
	deliveries, deliveryFailures *prometheus.CounterVec // by class
	sweeps, sweepFailures        prometheus.Counter
	pokes                        *prometheus.CounterVec // by reason
}

// classNames are the labels of the classes of work, the same as those of the outbox's depth.
var classNames = map[identity.Class]string{identity.ClassLeave: "leave", identity.ClassSignIn: "signin", identity.ClassChange: "change",
	identity.ClassReconcile: "reconcile", identity.ClassBulk: "bulk"}

// The reasons for which the sweeper pokes an identity.
const (
	pokedDue   = "due"   // a scheduled change is due
	pokedSwept = "swept" // it was unsettled or behind its policy, and no run was at work for it
)

// newMetrics makes the metrics and registers them, if there is somebody to register them with. Each series is there from
// the beginning, so that its first increase is seen as one.
func newMetrics(registerer prometheus.Registerer, pace *pace) *metrics {
	m := &metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_relay_deliveries_total",
			Help: "Pokes that this process handed to Temporal, by urgency."}, []string{"class"}),
		deliveryFailures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_relay_delivery_failures_total",
			Help: "Attempts to hand a poke to Temporal that failed, by urgency. Each is repeated."}, []string{"class"}),
		sweeps: prometheus.NewCounter(prometheus.CounterOpts{Name: "tenure_sweeper_sweeps_total",
			Help: "Sweeps that this process completed."}),
		sweepFailures: prometheus.NewCounter(prometheus.CounterOpts{Name: "tenure_sweeper_failures_total",
			Help: "Sweeps, and looks for changes that are due, that failed."}),
		pokes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_sweeper_pokes_total",
			Help: "Identities that the sweeper poked, by reason."}, []string{"reason"}),
	}
	for _, name := range classNames {
		m.deliveries.WithLabelValues(name)
		m.deliveryFailures.WithLabelValues(name)
	}
	m.pokes.WithLabelValues(pokedDue)
	m.pokes.WithLabelValues(pokedSwept)
	if registerer != nil {
		registerer.MustRegister(m.deliveries, m.deliveryFailures, m.sweeps, m.sweepFailures, m.pokes,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tenure_relay_room",
				Help: "How many people this process's relay lets into the engine at once, leaves apart."}, func() float64 {
				return pace.people()
			}))
	}
	return m
}
