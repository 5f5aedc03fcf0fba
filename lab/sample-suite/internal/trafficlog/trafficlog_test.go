package trafficlog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"im-suite-ha/sample-suite/internal/message"
)

func writeLog(t *testing.T, path string, entries ...Entry) {
	t.Helper()
	w, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		w.Append(entry.At(time.Now()))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func ack() Entry {
	return Entry{Event: Ack, Kind: Message, ID: message.NewID(), SHA256: message.ContentHash(1, 2, "x"), Error: "<&>"}
}

func TestWrittenLogIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "traffic.jsonl")
	first := ack()
	writeLog(t, path, Entry{Event: Start}, first, Entry{Event: Stop})
	writeLog(t, path, Entry{Event: Start}, ack(), ack())
	log, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(log.Sessions) != 2 || len(log.Sessions[0].Entries) != 3 || len(log.Sessions[1].Entries) != 3 || log.TornLines != 0 {
		t.Fatalf("wrong sessions: %+v", log)
	}
	if got := log.Sessions[0].Entries[1]; got.ID != first.ID || got.SHA256 != first.SHA256 || got.UnixNs == 0 || got.Time == "" {
		t.Fatalf("wrong entry: %+v", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("wrong mode: %v %v", info.Mode(), err)
	}
}

func TestAnEntryIsOnDiskAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traffic.jsonl")
	w, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.Append(Entry{Event: Start}.At(time.Now()))
	deadline := time.Now().Add(100 * time.Millisecond)
	for {
		if content, _ := os.ReadFile(path); strings.HasSuffix(string(content), "}\n") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the entry was not on disk after 100 ms")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestATornLineIsToleratedOnlyWhereAKillExplainsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traffic.jsonl")
	writeLog(t, path, Entry{Event: Start}, ack(), ack())
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := content[:len(content)-20]
	if err := os.WriteFile(path, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := ReadFile(path)
	if err != nil || log.TornLines != 1 || len(log.Sessions[0].Entries) != 2 {
		t.Fatalf("torn last line: %+v, %v", log, err)
	}
	writeLog(t, path, Entry{Event: Start}, ack())
	if log, err = ReadFile(path); err != nil || log.TornLines != 1 || len(log.Sessions) != 2 {
		t.Fatalf("torn line before a start: %+v, %v", log, err)
	}
}

func TestADamagedLogIsRefused(t *testing.T) {
	start := `{"event":"start","unix_ns":1}` + "\n"
	status := `{"event":"status","unix_ns":2}` + "\n"
	for name, text := range map[string]string{
		"garbage in the middle":    start + "garbage\n" + status,
		"two torn lines":           start + "garbage\ngarbage\n" + start,
		"no start":                 status,
		"ack without hash":         start + `{"event":"ack","kind":"message","id":"` + message.NewID() + `","unix_ns":2}` + "\n" + status,
		"unknown event":            start + `{"event":"acked","unix_ns":2}` + "\n" + status,
		"entry without time":       start + `{"event":"status"}` + "\n" + status,
		"ack of an unknown kind":   start + `{"event":"ack","kind":"x","id":"` + message.NewID() + `","sha256":"` + strings.Repeat("a", 64) + `","unix_ns":2}` + "\n" + status,
		"ack with a bad identifer": start + `{"event":"ack","kind":"message","id":"x","sha256":"` + strings.Repeat("a", 64) + `","unix_ns":2}` + "\n" + status,
	} {
		if _, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
