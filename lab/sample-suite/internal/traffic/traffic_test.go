package traffic

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"im-suite-ha/sample-suite/internal/message"
	"im-suite-ha/sample-suite/internal/trafficlog"
)

func TestTargets(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:8080", "http://198.18.0.11:8080", "https://198.18.0.100"} {
		if err := CheckTarget(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"http://154.37.214.191:8080", "http://198.18.1.11:8080", "http://localhost:8080", "198.18.0.11:8080", "ftp://127.0.0.1",
		"http://127.0.0.1.example.com", "http://198.18.0.11@8.8.8.8", "http://198.18.0.11:8080/x", "", "http://[::1]:80",
	} {
		if CheckTarget(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// The service of this test acknowledges, refuses, lies about the content, and hangs.
func TestOnlyTrueAcknowledgementsAreLoggedAsSuch(t *testing.T) {
	var number atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`[{"id":5,"members":[1,2]}]`))
			return
		}
		var m struct {
			ID             string `json:"id"`
			ConversationID int64  `json:"conversation_id"`
			SenderID       int64  `json:"sender_id"`
			Body           string `json:"body"`
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		answer := map[string]string{"id": m.ID, "sha256": message.ContentHash(m.ConversationID, m.SenderID, m.Body), "database": "db-1"}
		w.Header().Set("X-IM-Server", "backend-1")
		switch number.Add(1) % 5 {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"error":"away"}`))
			return
		case 1:
			answer["sha256"] = strings.Repeat("0", 64)
		case 2:
			answer["id"] = message.NewID()
		case 3:
			time.Sleep(300 * time.Millisecond)
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer service.Close()
	path := filepath.Join(t.TempDir(), "traffic.jsonl")
	err := Run(context.Background(), Options{
		Target: service.URL, Clients: 10, Rate: 100, Duration: time.Second, Timeout: 100 * time.Millisecond, LogFile: path, Output: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	log, err := trafficlog.ReadFile(path)
	if err != nil || len(log.Sessions) != 1 {
		t.Fatalf("%v, %v", log, err)
	}
	entries := log.Sessions[0].Entries
	acks, problems := 0, map[string]int{}
	for _, entry := range entries {
		switch entry.Event {
		case trafficlog.Ack:
			acks++
			if entry.Server != "backend-1" || entry.Database != "db-1" || entry.Client == 0 || entry.LatencyMs <= 0 {
				t.Fatalf("incomplete entry %+v", entry)
			}
		case trafficlog.Error:
			if !message.ValidID(entry.ID) {
				t.Fatalf("an error without its id: %+v", entry)
			}
			switch {
			case strings.Contains(entry.Error, "away"):
				problems["refused"]++
			case strings.Contains(entry.Error, "another content"):
				problems["lied"]++
			case strings.Contains(entry.Error, "not an acknowledgement"):
				problems["other id"]++
			case strings.Contains(entry.Error, "deadline"):
				problems["timeout"]++
			}
		}
	}
	last := entries[len(entries)-1]
	if last.Event != trafficlog.Stop || last.Acknowledged != int64(acks) || acks < 5 || len(problems) != 4 {
		t.Fatalf("%d acknowledged, %v, last %+v", acks, problems, last)
	}
	total := acks
	for _, count := range problems {
		total += count
	}
	if int64(total) != number.Load() {
		t.Fatalf("%d requests, %d entries", number.Load(), total)
	}
}

func TestARunKeepsItsRate(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`[{"id":5,"members":[1,2]}]`))
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer service.Close()
	path := filepath.Join(t.TempDir(), "traffic.jsonl")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := Run(ctx, Options{Target: service.URL, Clients: 20, Rate: 50, Timeout: time.Second, LogFile: path, Output: io.Discard}); err != nil {
		t.Fatal(err)
	}
	log, err := trafficlog.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if count := len(log.Sessions[0].Entries) - 2; count < 80 || count > 110 {
		t.Fatalf("%d writes in 2 s at 50 per second", count)
	}
}
