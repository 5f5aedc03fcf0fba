package trafficlog

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"im-suite-ha/sample-suite/internal/message"
)

// Session is the part of a log from one start to the next.
type Session struct {
	Entries []Entry
}

// Log is a log that was read.
type Log struct {
	Sessions []Session
	// TornLines were cut off by a kill: at most one per session.
	TornLines int
}

// ReadFile reads a log.
func ReadFile(path string) (Log, error) {
	file, err := os.Open(path)
	if err != nil {
		return Log{}, err
	}
	defer file.Close()
	log, err := Parse(file)
	if err != nil {
		return Log{}, fmt.Errorf("%s: %w", path, err)
	}
	return log, nil
}

// Parse reads a log strictly. A line may be unreadable only where a kill explains it: as the last line, or right
// before a start. Anything else is an error: a judge that skips what it cannot read would acquit everybody.
func Parse(from io.Reader) (Log, error) {
	var log Log
	reader := bufio.NewReaderSize(from, 64<<10)
	torn := ""
	for number := 1; ; number++ {
		line, err := reader.ReadString('\n')
		if err != nil && err != io.EOF {
			return Log{}, err
		}
		end := err == io.EOF
		if line == "\n" || line == "" {
			if end {
				break
			}
			continue
		}
		entry, problem := decode(line)
		if problem == "" && torn != "" && entry.Event != Start {
			return Log{}, fmt.Errorf("%s", torn)
		}
		switch {
		case problem != "" && torn != "":
			return Log{}, fmt.Errorf("%s", torn)
		case problem != "":
			torn = fmt.Sprintf("line %d %s", number, problem)
			log.TornLines++
		case entry.Event == Start:
			torn = ""
			log.Sessions = append(log.Sessions, Session{Entries: []Entry{entry}})
		case len(log.Sessions) == 0:
			return Log{}, fmt.Errorf("line %d comes before any start", number)
		default:
			session := &log.Sessions[len(log.Sessions)-1]
			session.Entries = append(session.Entries, entry)
		}
		if end {
			break
		}
	}
	return log, nil
}

// decode returns an entry, or what is wrong with the line.
func decode(line string) (Entry, string) {
	var entry Entry
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		return entry, "is not JSON"
	}
	switch entry.Event {
	case Ack:
		if !message.ValidID(entry.ID) || len(entry.SHA256) != 64 || (entry.Kind != Message && entry.Kind != Attachment) {
			return entry, "is an acknowledgement without a kind, an id or a content hash"
		}
	case Start, Error, Status, Stop:
	default:
		return entry, fmt.Sprintf("has the unknown event %q", entry.Event)
	}
	if entry.UnixNs <= 0 {
		return entry, "has no time"
	}
	return entry, ""
}
