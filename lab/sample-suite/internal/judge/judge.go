// Package judge compares the log of the traffic with what the databases hold: each acknowledged write must be there, with
// the same content.
package judge

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"im-suite-ha/sample-suite/internal/message"
	"im-suite-ha/sample-suite/internal/objects"
	"im-suite-ha/sample-suite/internal/trafficlog"
)

// Expected is one write that must be there.
type Expected struct {
	Kind   string
	SHA256 string
	UnixNs int64
}

// Fault is one write that is not as it must be.
type Fault struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	// Reason says what is missing or different: "row", "object", "content".
	Reason         string `json:"reason"`
	AcknowledgedAt string `json:"acknowledgedAt,omitempty"`
}

// Verdict is the result of a comparison.
type Verdict struct {
	Lost      []Fault `json:"lost"`
	Corrupted []Fault `json:"corrupted"`
}

// Errors of a log, by what failed.
type Errors struct {
	Writes int `json:"writes"`
	Reads  int `json:"reads"`
	// WritesStored: failed writes that are in the database nevertheless. Their outcome was unknown; either is right.
	WritesStored int `json:"writesStored"`
	// First are the first few, as the client saw them.
	First []trafficlog.Entry `json:"first"`
}

// Result is what `verify` prints and writes.
type Result struct {
	Logs         []string       `json:"logs"`
	Sessions     int            `json:"sessions"`
	TornLines    int            `json:"tornLines"`
	Acknowledged int            `json:"acknowledged"`
	ByKind       map[string]int `json:"byKind"`
	LostCount    int            `json:"lostCount"`
	CorruptCount int            `json:"corruptedCount"`
	Verdict
	Errors       Errors    `json:"errors"`
	LongestGap   Window    `json:"longestGap"`
	LongestGapMs int64     `json:"longestGapMs"`
	Outages      []Window  `json:"outages"`
	LatencyMs    Latency   `json:"latencyMs"`
	Databases    []Segment `json:"databases"`
	// Judged is true when every acknowledged write was compared.
	Judged bool `json:"judged"`
}

// Passed: nothing is lost and nothing is different.
func (r Result) Passed() bool { return r.Judged && r.LostCount == 0 && r.CorruptCount == 0 }

// Judge reads the logs and compares. An error means that it could not judge, which is not an acquittal.
func Judge(ctx context.Context, paths []string, pool *sql.DB, bucket *objects.Bucket, threshold time.Duration) (Result, error) {
	result := Result{Logs: paths, ByKind: map[string]int{}}
	var sessions []trafficlog.Session
	for _, path := range paths {
		log, err := trafficlog.ReadFile(path)
		if err != nil {
			return result, err
		}
		sessions = append(sessions, log.Sessions...)
		result.TornLines += log.TornLines
	}
	result.Sessions = len(sessions)
	expected, acks, failures, err := collect(sessions)
	if err != nil {
		return result, err
	}
	if len(expected) == 0 {
		return result, errors.New("no acknowledged write in the log: there is nothing to judge")
	}
	result.Acknowledged = len(expected)
	for _, e := range expected {
		result.ByKind[e.Kind]++
	}
	result.LongestGap, result.Outages = outages(sessions, threshold)
	result.LongestGapMs = result.LongestGap.DurationMs
	result.LatencyMs = latency(acks)
	result.Databases = segments(acks)
	if result.Errors, err = countErrors(ctx, failures, expected, pool); err != nil {
		return result, err
	}
	if result.Verdict, err = Compare(ctx, expected, pool, bucket); err != nil {
		return result, err
	}
	result.LostCount, result.CorruptCount = len(result.Lost), len(result.Corrupted)
	result.Judged = true
	return result, nil
}

// collect returns the acknowledged writes by id, the acknowledgements in the order of time, and the errors.
func collect(sessions []trafficlog.Session) (map[string]Expected, []trafficlog.Entry, []trafficlog.Entry, error) {
	expected := map[string]Expected{}
	var acks, failures []trafficlog.Entry
	for _, session := range sessions {
		for _, entry := range session.Entries {
			switch entry.Event {
			case trafficlog.Ack:
				before, twice := expected[entry.ID]
				if twice && (before.SHA256 != entry.SHA256 || before.Kind != entry.Kind) {
					return nil, nil, nil, fmt.Errorf("the id %s was acknowledged with two contents", entry.ID)
				}
				if !twice {
					expected[entry.ID] = Expected{entry.Kind, entry.SHA256, entry.UnixNs}
				}
				acks = append(acks, entry)
			case trafficlog.Error:
				failures = append(failures, entry)
			}
		}
	}
	slices.SortStableFunc(acks, func(a, b trafficlog.Entry) int { return int(a.UnixNs - b.UnixNs) })
	return expected, acks, failures, nil
}

func countErrors(ctx context.Context, failures []trafficlog.Entry, expected map[string]Expected, pool *sql.DB) (Errors, error) {
	result := Errors{First: failures[:min(len(failures), 10)]}
	if result.First == nil {
		result.First = []trafficlog.Entry{}
	}
	unknown := map[string][]string{}
	for _, failure := range failures {
		if failure.Kind == trafficlog.Read {
			result.Reads++
			continue
		}
		result.Writes++
		if _, acknowledged := expected[failure.ID]; !acknowledged {
			unknown[failure.Kind] = append(unknown[failure.Kind], failure.ID)
		}
	}
	for kind, table := range map[string]string{trafficlog.Message: "messages", trafficlog.Attachment: "attachments"} {
		for batch := range slices.Chunk(unknown[kind], batchSize) {
			var stored int
			row := pool.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table+" WHERE uuid IN ("+places(len(batch))+")", anything(batch)...)
			if err := row.Scan(&stored); err != nil {
				return result, err
			}
			result.WritesStored += stored
		}
	}
	return result, nil
}

// batchSize is how many rows one query asks for.
const batchSize = 500

// Compare looks up each expected write. The hash is computed here, from the content as it was read: what the database
// says about its own content proves nothing.
func Compare(ctx context.Context, expected map[string]Expected, pool *sql.DB, bucket *objects.Bucket) (Verdict, error) {
	verdict := Verdict{Lost: []Fault{}, Corrupted: []Fault{}}
	byKind := map[string][]string{}
	for id, e := range expected {
		byKind[e.Kind] = append(byKind[e.Kind], id)
	}
	fault := func(id, reason string) Fault {
		f := Fault{ID: id, Kind: expected[id].Kind, Reason: reason}
		if expected[id].UnixNs > 0 {
			f.AcknowledgedAt = stamp(expected[id].UnixNs)
		}
		return f
	}
	for batch := range slices.Chunk(byKind[trafficlog.Message], batchSize) {
		hashes, err := messageHashes(ctx, pool, batch)
		if err != nil {
			return verdict, err
		}
		for _, id := range batch {
			if hash, found := hashes[id]; !found {
				verdict.Lost = append(verdict.Lost, fault(id, "row"))
			} else if hash != expected[id].SHA256 {
				verdict.Corrupted = append(verdict.Corrupted, fault(id, "content"))
			}
		}
	}
	if err := compareAttachments(ctx, byKind[trafficlog.Attachment], expected, pool, bucket, &verdict, fault); err != nil {
		return verdict, err
	}
	inOrder := func(a, b Fault) int {
		return strings.Compare(a.AcknowledgedAt+a.ID, b.AcknowledgedAt+b.ID)
	}
	slices.SortFunc(verdict.Lost, inOrder)
	slices.SortFunc(verdict.Corrupted, inOrder)
	return verdict, nil
}

func messageHashes(ctx context.Context, pool *sql.DB, ids []string) (map[string]string, error) {
	rows, err := pool.QueryContext(ctx,
		"SELECT uuid, conversation_id, sender_id, body FROM messages WHERE uuid IN ("+places(len(ids))+")", anything(ids)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	hashes := map[string]string{}
	for rows.Next() {
		var id, body string
		var conversation, sender int64
		if err := rows.Scan(&id, &conversation, &sender, &body); err != nil {
			return nil, err
		}
		hashes[id] = message.ContentHash(conversation, sender, body)
	}
	return hashes, rows.Err()
}

type attachmentRow struct {
	sha256, key string
	size        int64
}

func compareAttachments(ctx context.Context, ids []string, expected map[string]Expected, pool *sql.DB, bucket *objects.Bucket,
	verdict *Verdict, fault func(id, reason string) Fault) error {
	rows := map[string]attachmentRow{}
	for batch := range slices.Chunk(ids, batchSize) {
		if err := attachmentRows(ctx, pool, batch, rows); err != nil {
			return err
		}
	}
	var mutex sync.Mutex
	lost := func(id, reason string) {
		mutex.Lock()
		defer mutex.Unlock()
		verdict.Lost = append(verdict.Lost, fault(id, reason))
	}
	corrupted := func(id, reason string) {
		mutex.Lock()
		defer mutex.Unlock()
		verdict.Corrupted = append(verdict.Corrupted, fault(id, reason))
	}
	return Parallel(ctx, 8, ids, func(ctx context.Context, id string) error {
		row, found := rows[id]
		if !found {
			lost(id, "row")
			return nil
		}
		if row.sha256 != expected[id].SHA256 {
			corrupted(id, "row")
			return nil
		}
		size, hash, err := hashObject(ctx, bucket, row.key)
		switch {
		case objects.Missing(err):
			lost(id, "object")
		case err != nil:
			return fmt.Errorf("object %s: %w", row.key, err)
		case hash != expected[id].SHA256 || size != row.size:
			corrupted(id, "object")
		}
		return nil
	})
}

func attachmentRows(ctx context.Context, pool *sql.DB, ids []string, into map[string]attachmentRow) error {
	rows, err := pool.QueryContext(ctx,
		"SELECT uuid, sha256, object_key, size FROM attachments WHERE uuid IN ("+places(len(ids))+")", anything(ids)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var row attachmentRow
		if err := rows.Scan(&id, &row.sha256, &row.key, &row.size); err != nil {
			return err
		}
		into[id] = row
	}
	return rows.Err()
}

func hashObject(ctx context.Context, bucket *objects.Bucket, key string) (int64, string, error) {
	object, err := bucket.Get(ctx, key)
	if err != nil {
		return 0, "", err
	}
	defer object.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, object)
	return size, hex.EncodeToString(hash.Sum(nil)), err
}

// Parallel runs the work for each item with a few workers and returns the first error, after which no new item is begun.
func Parallel[T any](ctx context.Context, workers int, items []T, work func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for item := range queue {
				if err := work(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		queue <- item
	}
	close(queue)
	group.Wait()
	return context.Cause(ctx)
}

func places(count int) string { return strings.TrimSuffix(strings.Repeat("?,", count), ",") }

func anything[T any](values []T) []any {
	result := make([]any, len(values))
	for i, value := range values {
		result[i] = value
	}
	return result
}
