// Package metrics keeps a handful of counters and histograms and writes them as Prometheus text. The backend needs two
// kinds of series; the official client library would bring a dozen modules for them.
package metrics

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Buckets are the upper bounds, in seconds, of every histogram.
var Buckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

type histogram struct {
	counts []uint64
	sum    float64
	total  uint64
}

type family struct {
	help, kind string
	counters   map[string]float64
	histograms map[string]*histogram
	gauge      func() float64
}

// Registry is a set of metrics, safe for use by many goroutines.
type Registry struct {
	mutex    sync.Mutex
	families map[string]*family
}

// NewRegistry makes an empty set.
func NewRegistry() *Registry { return &Registry{families: map[string]*family{}} }

// Counter declares a counter. Series appear as they are first counted.
func (r *Registry) Counter(name, help string) {
	r.add(name, &family{help: help, kind: "counter", counters: map[string]float64{}})
}

// Histogram declares a histogram of seconds.
func (r *Registry) Histogram(name, help string) {
	r.add(name, &family{help: help, kind: "histogram", histograms: map[string]*histogram{}})
}

// Gauge declares a value that is asked for at each scrape.
func (r *Registry) Gauge(name, help string, value func() float64) {
	r.add(name, &family{help: help, kind: "gauge", gauge: value})
}

func (r *Registry) add(name string, f *family) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.families[name] = f
}

// Add counts. Labels come as name, value, name, value.
func (r *Registry) Add(name string, amount float64, labels ...string) {
	key := labelText(labels)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.families[name].counters[key] += amount
}

// Observe puts one measurement, in seconds, into a histogram.
func (r *Registry) Observe(name string, seconds float64, labels ...string) {
	key := labelText(labels)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	h := r.families[name].histograms[key]
	if h == nil {
		h = &histogram{counts: make([]uint64, len(Buckets))}
		r.families[name].histograms[key] = h
	}
	h.total++
	h.sum += seconds
	for i, bound := range Buckets {
		if seconds <= bound {
			h.counts[i]++
		}
	}
}

// Write writes every series in Prometheus's text format, sorted, so that two scrapes can be compared by eye.
func (r *Registry) Write(to io.Writer) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, name := range sortedKeys(r.families) {
		f := r.families[name]
		fmt.Fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, f.help, name, f.kind)
		if f.gauge != nil {
			fmt.Fprintf(to, "%s %s\n", name, number(f.gauge()))
		}
		for _, labels := range sortedKeys(f.counters) {
			fmt.Fprintf(to, "%s%s %s\n", name, braces(labels), number(f.counters[labels]))
		}
		for _, labels := range sortedKeys(f.histograms) {
			h := f.histograms[labels]
			for i, bound := range Buckets {
				fmt.Fprintf(to, "%s_bucket%s %d\n", name, braces(join(labels, `le="`+number(bound)+`"`)), h.counts[i])
			}
			fmt.Fprintf(to, "%s_bucket%s %d\n", name, braces(join(labels, `le="+Inf"`)), h.total)
			fmt.Fprintf(to, "%s_sum%s %s\n", name, braces(labels), number(h.sum))
			fmt.Fprintf(to, "%s_count%s %d\n", name, braces(labels), h.total)
		}
	}
}

func labelText(labels []string) string {
	parts := make([]string, 0, len(labels)/2)
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	for i := 0; i+1 < len(labels); i += 2 {
		parts = append(parts, labels[i]+`="`+escape.Replace(labels[i+1])+`"`)
	}
	return strings.Join(parts, ",")
}

func braces(labels string) string {
	if labels == "" {
		return ""
	}
	return "{" + labels + "}"
}

func join(labels, more string) string {
	if labels == "" {
		return more
	}
	return labels + "," + more
}

func number(value float64) string { return strconv.FormatFloat(value, 'g', -1, 64) }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
