package judge

import (
	"math"
	"slices"
	"time"

	"im-suite-ha/sample-suite/internal/trafficlog"
)

// Window is a time without one acknowledged write.
type Window struct {
	From       string `json:"from"`
	To         string `json:"to"`
	DurationMs int64  `json:"durationMs"`
}

// Segment is a run of acknowledgements by one database server.
type Segment struct {
	Database     string `json:"database"`
	From         string `json:"from"`
	To           string `json:"to"`
	Acknowledged int    `json:"acknowledged"`
}

// Latency of the acknowledged writes, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// maximumListed bounds every list of the result.
const maximumListed = 100

// outages returns the longest time without an acknowledged write, and every one of at least the threshold, longest
// first. A session begins with its start and ends with its last entry of any kind: so errors after the last acknowledgement
// make an outage that never ended.
func outages(sessions []trafficlog.Session, threshold time.Duration) (longest Window, windows []Window) {
	all := []Window{}
	for _, session := range sessions {
		times := []int64{session.Entries[0].UnixNs}
		last := times[0]
		for _, entry := range session.Entries {
			if entry.Event == trafficlog.Ack {
				times = append(times, entry.UnixNs)
			}
			last = max(last, entry.UnixNs)
		}
		times = append(times, last)
		// Clients run side by side: lines may be a little out of order.
		slices.Sort(times)
		for i := 1; i < len(times); i++ {
			gap := Window{stamp(times[i-1]), stamp(times[i]), (times[i] - times[i-1]) / 1e6}
			if gap.DurationMs > longest.DurationMs || longest.From == "" {
				longest = gap
			}
			if times[i]-times[i-1] >= int64(threshold) {
				all = append(all, gap)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Window) int { return int(b.DurationMs - a.DurationMs) })
	return longest, all[:min(len(all), maximumListed)]
}

// segments tells which database server acknowledged when: a failover is a change of segment, and two servers that
// acknowledge at the same time show as segments that alternate.
func segments(acks []trafficlog.Entry) []Segment {
	found := []Segment{}
	for _, ack := range acks {
		if ack.Database == "" {
			continue
		}
		last := len(found) - 1
		if last < 0 || found[last].Database != ack.Database {
			if len(found) == maximumListed {
				break
			}
			found = append(found, Segment{Database: ack.Database, From: stamp(ack.UnixNs)})
			last++
		}
		found[last].To = stamp(ack.UnixNs)
		found[last].Acknowledged++
	}
	return found
}

func latency(acks []trafficlog.Entry) Latency {
	values := make([]float64, 0, len(acks))
	for _, ack := range acks {
		values = append(values, ack.LatencyMs)
	}
	slices.Sort(values)
	return Latency{Percentile(values, 50), Percentile(values, 99), Percentile(values, 100)}
}

// Percentile of sorted values by the nearest rank; 0 when there are none.
func Percentile(sorted []float64, percent float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(percent / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

func stamp(unixNs int64) string { return time.Unix(0, unixNs).UTC().Format(time.RFC3339Nano) }
