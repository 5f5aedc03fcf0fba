package judge

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"im-suite-ha/sample-suite/internal/message"
	"im-suite-ha/sample-suite/internal/trafficlog"
)

func entryAt(milliseconds int64, event string) trafficlog.Entry {
	e := trafficlog.Entry{Event: event, Kind: trafficlog.Message, UnixNs: 1e15 + milliseconds*1e6}
	if event == trafficlog.Ack {
		e.ID, e.SHA256 = message.NewID(), strings.Repeat("a", 64)
	}
	return e
}

func TestOutagesMeasureBetweenAcknowledgementsOnly(t *testing.T) {
	session := trafficlog.Session{Entries: []trafficlog.Entry{
		entryAt(0, trafficlog.Start),
		entryAt(100, trafficlog.Ack),
		entryAt(900, trafficlog.Error), // an error does not end an outage
		entryAt(2100, trafficlog.Ack),
		entryAt(2050, trafficlog.Ack), // out of order, as side-by-side clients write
		entryAt(2200, trafficlog.Stop),
	}}
	longest, windows := outages([]trafficlog.Session{session}, time.Second)
	if longest.DurationMs != 1950 || len(windows) != 1 {
		t.Fatalf("got %+v, %+v", longest, windows)
	}
}

func TestAnOutageThatNeverEndsCounts(t *testing.T) {
	session := trafficlog.Session{Entries: []trafficlog.Entry{
		entryAt(0, trafficlog.Start), entryAt(10, trafficlog.Ack), entryAt(7000, trafficlog.Error),
	}}
	if longest, _ := outages([]trafficlog.Session{session}, time.Second); longest.DurationMs != 6990 {
		t.Fatalf("got %+v", longest)
	}
}

func TestTheTimeBetweenTwoSessionsIsNoOutage(t *testing.T) {
	first := trafficlog.Session{Entries: []trafficlog.Entry{entryAt(0, trafficlog.Start), entryAt(10, trafficlog.Ack)}}
	second := trafficlog.Session{Entries: []trafficlog.Entry{entryAt(60000, trafficlog.Start), entryAt(60020, trafficlog.Ack)}}
	if longest, _ := outages([]trafficlog.Session{first, second}, time.Second); longest.DurationMs != 20 {
		t.Fatalf("got %+v", longest)
	}
}

func TestSegmentsShowWhoAcknowledged(t *testing.T) {
	var acks []trafficlog.Entry
	for i, database := range []string{"a", "a", "", "b", "a"} {
		e := entryAt(int64(i), trafficlog.Ack)
		e.Database = database
		acks = append(acks, e)
	}
	found := segments(acks)
	if len(found) != 3 || found[0].Acknowledged != 2 || found[1].Database != "b" || found[2].Database != "a" {
		t.Fatalf("got %+v", found)
	}
}

func TestPercentile(t *testing.T) {
	values := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	if Percentile(values, 50) != 5 || Percentile(values, 99) != 10 || Percentile(nil, 50) != 0 || Percentile(values[:1], 1) != 1 {
		t.Fatal("wrong percentile")
	}
}

func TestOneIDWithTwoContentsIsRefused(t *testing.T) {
	first := entryAt(1, trafficlog.Ack)
	second := first
	second.SHA256 = strings.Repeat("b", 64)
	if _, _, _, err := collect([]trafficlog.Session{{Entries: []trafficlog.Entry{first, second}}}); err == nil {
		t.Fatal("two contents of one id were accepted")
	}
	second.SHA256 = first.SHA256
	expected, acks, _, err := collect([]trafficlog.Session{{Entries: []trafficlog.Entry{first, second}}})
	if err != nil || len(expected) != 1 || len(acks) != 2 {
		t.Fatalf("a repeated acknowledgement: %v %v %v", expected, acks, err)
	}
}

func TestParallelReturnsTheFirstError(t *testing.T) {
	failure := errors.New("broken")
	err := Parallel(context.Background(), 3, make([]int, 50), func(context.Context, int) error { return failure })
	if !errors.Is(err, failure) {
		t.Fatalf("got %v", err)
	}
	done := make(chan int, 50)
	if err := Parallel(context.Background(), 3, make([]int, 50), func(context.Context, int) error { done <- 1; return nil }); err != nil || len(done) != 50 {
		t.Fatalf("got %v after %d", err, len(done))
	}
}
