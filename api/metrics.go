package api

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
)

// metrics are what /metrics shows. Everybody who reaches it may read it: no label names a person or an organization.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics(registry *prometheus.Registry, service *lifecycle.Service, log *slog.Logger) *metrics {
	m := &metrics{registry: registry, requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "tenure_http_request_duration_seconds",
		Help:    "Time to serve a request, by route template.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
	}, []string{"route", "method", "status"})}
	registry.MustRegister(m.requests, &work{service: service, log: log})
	return m
}

func (m *metrics) observe(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 10 * time.Second, MaxRequestsInFlight: 4})
}

// work collects, at each scrape, how much work waits.
type work struct {
	service *lifecycle.Service
	log     *slog.Logger
}

// scrapeTimeout bounds the queries of one scrape.
const scrapeTimeout = 5 * time.Second

var (
	outboxDepth = prometheus.NewDesc("tenure_outbox_depth", "Pokes not yet handed to Temporal, by urgency.", []string{"class"}, nil)
	outboxAge   = prometheus.NewDesc("tenure_outbox_oldest_age_seconds", "Age of the oldest poke not yet handed to Temporal.", nil, nil)
	unsettled   = prometheus.NewDesc("tenure_identities_unsettled", "Identities with work left to do, or to wait for.", nil, nil)
	targetsDown = prometheus.NewDesc("tenure_targets_down", "Targets that are down.", nil, nil)
	scrapeOK    = prometheus.NewDesc("tenure_scrape_success", "1 when the database answered this scrape.", nil, nil)
)

// classNames are the labels of the classes of work.
var classNames = map[identity.Class]string{identity.ClassLeave: "leave", identity.ClassSignIn: "signin", identity.ClassChange: "change",
	identity.ClassReconcile: "reconcile", identity.ClassBulk: "bulk"}

// Describe implements prometheus.Collector.
func (c *work) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{outboxDepth, outboxAge, unsettled, targetsDown, scrapeOK} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector. A database that does not answer leaves gaps, and the other metrics readable.
func (c *work) Collect(samples chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		samples <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if err := c.collect(ctx, gauge); err != nil {
		c.log.WarnContext(ctx, "metrics of the work that waits are missing", "error", store.Loggable(err))
		gauge(scrapeOK, 0)
		return
	}
	gauge(scrapeOK, 1)
}

func (c *work) collect(ctx context.Context, gauge func(*prometheus.Desc, float64, ...string)) error {
	depth, oldest, err := c.service.Store().OutboxDepth(ctx, c.service.Now())
	if err != nil {
		return err
	}
	for class, name := range classNames {
		gauge(outboxDepth, float64(depth[class]), name)
	}
	gauge(outboxAge, oldest.Seconds())
	n, err := c.service.Store().UnsettledCount(ctx)
	if err != nil {
		return err
	}
	gauge(unsettled, float64(n))
	down, err := c.service.Store().DownTargets(ctx)
	if err != nil {
		return err
	}
	gauge(targetsDown, float64(len(down)))
	return nil
}
