package metrics

import (
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	r := NewRegistry()
	r.Counter("requests_total", "Requests.")
	r.Histogram("seconds", "Time.")
	r.Gauge("open", "Open.", func() float64 { return 3 })
	r.Add("requests_total", 1, "route", `a"b\c`, "status", "200")
	r.Add("requests_total", 1, "route", `a"b\c`, "status", "200")
	r.Observe("seconds", 0.003)
	r.Observe("seconds", 99)
	var text strings.Builder
	r.Write(&text)
	for _, line := range []string{
		`requests_total{route="a\"b\\c",status="200"} 2`,
		`seconds_bucket{le="0.0025"} 0`,
		`seconds_bucket{le="0.005"} 1`,
		`seconds_bucket{le="10"} 1`,
		`seconds_bucket{le="+Inf"} 2`,
		`seconds_count 2`,
		"# TYPE open gauge\nopen 3",
	} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("no line %q in:\n%s", line, text.String())
		}
	}
}
