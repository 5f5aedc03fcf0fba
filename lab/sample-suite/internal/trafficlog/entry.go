// Package trafficlog is the log of the traffic generator: one JSON object per line. It is the judge's only witness, so
// it is written at once and read strictly.
package trafficlog

import "time"

// Events of a log.
const (
	// Start: a run begins; set-up is done, the clients start now.
	Start = "start"
	// Ack: a write was acknowledged; the row must be there for ever.
	Ack = "ack"
	// Error: a request failed. For a write its outcome is unknown: it is neither acknowledged nor lost.
	Error = "error"
	// Status: counts of the last ten seconds.
	Status = "status"
	// Stop: the run ended in good order. It is absent after a kill.
	Stop = "stop"
)

// Kinds of requests.
const (
	Message    = "message"
	Attachment = "attachment"
	Read       = "read"
)

// Entry is one line.
type Entry struct {
	// Time is when the answer was complete, RFC 3339 with nanoseconds, UTC.
	Time   string `json:"time"`
	UnixNs int64  `json:"unix_ns"`
	Event  string `json:"event"`
	Kind   string `json:"kind,omitempty"`
	// ID and SHA256 name the row and its content: see message.ContentHash; of an attachment it is the hash of its bytes.
	ID        string  `json:"id,omitempty"`
	SHA256    string  `json:"sha256,omitempty"`
	LatencyMs float64 `json:"latency_ms,omitempty"`
	// Status is the HTTP status; 0 when there was no answer.
	Status int `json:"status,omitempty"`
	// Server is the backend that answered, Database the server_uuid of the MySQL server that committed.
	Server   string `json:"server,omitempty"`
	Database string `json:"database,omitempty"`
	Client   int    `json:"client,omitempty"`
	// Error says what failed.
	Error string `json:"error,omitempty"`
	// Of a start.
	Target  string  `json:"target,omitempty"`
	Clients int     `json:"clients,omitempty"`
	Rate    float64 `json:"rate,omitempty"`
	// Of a status or a stop.
	Acknowledged int64 `json:"acknowledged,omitempty"`
	Errors       int64 `json:"errors,omitempty"`
	Reads        int64 `json:"reads,omitempty"`
}

// At stamps an entry.
func (e Entry) At(now time.Time) Entry {
	e.Time, e.UnixNs = now.UTC().Format(time.RFC3339Nano), now.UnixNano()
	return e
}
