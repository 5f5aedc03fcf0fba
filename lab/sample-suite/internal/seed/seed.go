// Package seed fills an empty suite with a history: the same number makes the same history everywhere, so that every byte of it
// can be checked later.
package seed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"im-suite-ha/sample-suite/internal/judge"
	"im-suite-ha/sample-suite/internal/message"
	"im-suite-ha/sample-suite/internal/objects"
	"im-suite-ha/sample-suite/internal/store"
	"im-suite-ha/sample-suite/internal/trafficlog"
)

// Plan is how much history, and which.
type Plan struct {
	Seed                                        uint64
	Users, Conversations, Messages, Attachments int
}

// Report is what a seeding did.
type Report struct {
	Messages         int     `json:"messages"`
	Attachments      int     `json:"attachments"`
	AddedMessages    int     `json:"addedMessages"`
	AddedAttachments int     `json:"addedAttachments"`
	Seconds          float64 `json:"seconds"`
}

const rowsPerStatement = 1000

// firstMessage is the time of the first message: fixed, because the content may not depend on when it was made.
var firstMessage = time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)

// Check refuses a plan that makes no sense.
func (p Plan) Check() error {
	if p.Users < 2 || p.Conversations < 1 || p.Messages < 0 || p.Attachments < 0 {
		return fmt.Errorf("expected at least 2 users and 1 conversation, and no negative number")
	}
	return nil
}

// Fill asks what is there and adds what is missing. It may be ended at any time and run again.
func Fill(ctx context.Context, plan Plan, pool *sql.DB, bucket *objects.Bucket, progress io.Writer) (Report, error) {
	started := time.Now()
	report := Report{Messages: plan.Messages, Attachments: plan.Attachments}
	if err := plan.Check(); err != nil {
		return report, err
	}
	if err := store.EnsureSchema(ctx, pool); err != nil {
		return report, err
	}
	if err := bucket.Ensure(ctx); err != nil {
		return report, err
	}
	if err := plan.addPeople(ctx, pool); err != nil {
		return report, err
	}
	known, err := plan.look(ctx, pool)
	if err != nil {
		return report, err
	}
	fmt.Fprintf(progress, "%d users and %d conversations are there\n", plan.Users, plan.Conversations)
	if report.AddedMessages, err = known.addMessages(ctx, pool); err != nil {
		return report, err
	}
	fmt.Fprintf(progress, "%d messages are there, %d of them new\n", plan.Messages, report.AddedMessages)
	if report.AddedAttachments, err = known.addAttachments(ctx, pool, bucket); err != nil {
		return report, err
	}
	fmt.Fprintf(progress, "%d attachments are there, %d of them new\n", plan.Attachments, report.AddedAttachments)
	report.Seconds = math.Round(time.Since(started).Seconds()*10) / 10
	return report, nil
}

// Expected is every seeded write with its content hash, for the judge.
func Expected(ctx context.Context, plan Plan, pool *sql.DB) (map[string]judge.Expected, error) {
	if err := plan.Check(); err != nil {
		return nil, err
	}
	known, err := plan.look(ctx, pool)
	if err != nil {
		return nil, err
	}
	expected := map[string]judge.Expected{}
	for i := range plan.Messages {
		m := known.message(i)
		expected[m.UUID] = judge.Expected{Kind: trafficlog.Message, SHA256: message.ContentHash(m.ConversationID, m.SenderID, m.Body)}
	}
	for i := range plan.Attachments {
		a, _ := known.attachment(i)
		expected[a.UUID] = judge.Expected{Kind: trafficlog.Attachment, SHA256: a.SHA256}
	}
	return expected, nil
}

// random is a source of its own for each thing, so that any of them can be made without the ones before it.
func (p Plan) random(kind string, number int) *rand.Rand {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d|%s|%d", p.Seed, kind, number))
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
}

func (p Plan) id(kind string, number int) string {
	return message.DerivedID(fmt.Sprintf("%d|%s|%d", p.Seed, kind, number))
}

func (p Plan) userName(number int) string { return fmt.Sprintf("seed-%d-%05d", p.Seed, number) }

// members are the numbers of the users of a conversation: two to eight.
func (p Plan) members(conversation int) []int {
	random := p.random("members", conversation)
	members := random.Perm(p.Users)[:min(p.Users, 2+random.IntN(7))]
	slices.Sort(members)
	return members
}

func (p Plan) addPeople(ctx context.Context, pool *sql.DB) error {
	surnames, given := []string{"王", "李", "张", "刘", "陈", "欧阳"}, []string{"伟", "芳", "静怡", "磊", "敏", "志航"}
	rows := make([][]any, p.Users)
	for i := range p.Users {
		random := p.random("user", i)
		rows[i] = []any{p.userName(i), surnames[random.IntN(len(surnames))] + given[random.IntN(len(given))]}
	}
	if err := insert(ctx, pool, "users (name, display_name)", "name = name", rows); err != nil {
		return err
	}
	rows = make([][]any, p.Conversations)
	for i := range p.Conversations {
		rows[i] = []any{p.id("conversation", i), fmt.Sprintf("项目讨论组 %d", i+1)}
	}
	if err := insert(ctx, pool, "conversations (uuid, title)", "uuid = uuid", rows); err != nil {
		return err
	}
	known, err := p.look(ctx, pool)
	if err != nil {
		return err
	}
	rows = nil
	for i := range p.Conversations {
		for _, member := range p.members(i) {
			rows = append(rows, []any{known.conversations[i], known.users[member]})
		}
	}
	return insert(ctx, pool, "conversation_members (conversation_id, user_id)", "user_id = user_id", rows)
}

// history is a plan together with the ids that the database gave.
type history struct {
	Plan
	users, conversations []int64
	memberships          [][]int
}

func (p Plan) look(ctx context.Context, pool *sql.DB) (*history, error) {
	h := &history{Plan: p, users: make([]int64, p.Users), conversations: make([]int64, p.Conversations)}
	names, uuids := make([]string, p.Users), make([]string, p.Conversations)
	for i := range names {
		names[i] = p.userName(i)
	}
	for i := range uuids {
		uuids[i] = p.id("conversation", i)
		h.memberships = append(h.memberships, p.members(i))
	}
	if err := findIDs(ctx, pool, "users", "name", names, h.users); err != nil {
		return nil, err
	}
	return h, findIDs(ctx, pool, "conversations", "uuid", uuids, h.conversations)
}

func findIDs(ctx context.Context, pool *sql.DB, table, column string, keys []string, into []int64) error {
	position := make(map[string]int, len(keys))
	for i, key := range keys {
		position[key] = i
	}
	found := 0
	for batch := range slices.Chunk(keys, rowsPerStatement) {
		statement := "SELECT id, " + column + " FROM " + table + " WHERE " + column + " IN (" + list(len(batch), "?") + ")"
		rows, err := pool.QueryContext(ctx, statement, anything(batch)...)
		if err != nil {
			return err
		}
		for rows.Next() {
			var id int64
			var key string
			if err := rows.Scan(&id, &key); err != nil {
				rows.Close()
				return err
			}
			into[position[key]] = id
			found++
		}
		if err := rows.Close(); err != nil {
			return err
		}
	}
	if found != len(keys) {
		return fmt.Errorf("%d of %d seeded rows of %s are missing", len(keys)-found, len(keys), table)
	}
	return nil
}

func (h *history) place(kind string, number int) (*rand.Rand, int64, int64) {
	random := h.random(kind, number)
	conversation := random.IntN(h.Conversations)
	members := h.memberships[conversation]
	return random, h.conversations[conversation], h.users[members[random.IntN(len(members))]]
}

func (h *history) message(number int) store.Message {
	random, conversation, sender := h.place("message", number)
	return store.Message{
		UUID: h.id("message", number), ConversationID: conversation, SenderID: sender, Body: message.RandomBody(random),
		CreatedAt: firstMessage.Add(time.Duration(number) * time.Second),
	}
}

// attachment makes an attachment of 1 KiB to 2 MiB, small ones more often, and its content.
func (h *history) attachment(number int) (store.Attachment, []byte) {
	random, conversation, sender := h.place("attachment", number)
	content := make([]byte, int(1024*math.Pow(2, 11*random.Float64())))
	for i := 0; i+8 <= len(content); i += 8 {
		binary.LittleEndian.PutUint64(content[i:], random.Uint64())
	}
	sum := sha256.Sum256(content)
	id := h.id("attachment", number)
	return store.Attachment{
		UUID: id, ConversationID: conversation, SenderID: sender, FileName: fmt.Sprintf("图片 %d.jpg", number+1),
		ContentType: "image/jpeg", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), ObjectKey: objects.Key(id),
		CreatedAt: firstMessage.Add(time.Duration(number) * time.Minute),
	}, content
}

func (h *history) addMessages(ctx context.Context, pool *sql.DB) (added int, err error) {
	counts := make([]int, (h.Messages+rowsPerStatement-1)/rowsPerStatement)
	err = judge.Parallel(ctx, 4, indexes(len(counts)), func(ctx context.Context, batch int) error {
		from := batch * rowsPerStatement
		to := min(from+rowsPerStatement, h.Messages)
		ids := make([]string, 0, to-from)
		for i := from; i < to; i++ {
			ids = append(ids, h.id("message", i))
		}
		var present int
		row := pool.QueryRowContext(ctx, "SELECT COUNT(*) FROM messages WHERE uuid IN ("+list(len(ids), "?")+")", anything(ids)...)
		if err := row.Scan(&present); err != nil || present == len(ids) {
			return err
		}
		rows := make([][]any, 0, to-from)
		for i := from; i < to; i++ {
			m := h.message(i)
			rows = append(rows, []any{m.UUID, m.ConversationID, m.SenderID, m.Body, m.CreatedAt})
		}
		counts[batch] = len(ids) - present
		return insert(ctx, pool, "messages (uuid, conversation_id, sender_id, body, created_at)", "uuid = uuid", rows)
	})
	for _, count := range counts {
		added += count
	}
	return added, err
}

func (h *history) addAttachments(ctx context.Context, pool *sql.DB, bucket *objects.Bucket) (added int, err error) {
	present := map[string]bool{}
	for batch := range slices.Chunk(indexes(h.Attachments), rowsPerStatement) {
		ids := make([]string, 0, len(batch))
		for _, i := range batch {
			ids = append(ids, h.id("attachment", i))
		}
		rows, err := pool.QueryContext(ctx, "SELECT uuid FROM attachments WHERE uuid IN ("+list(len(ids), "?")+")", anything(ids)...)
		if err != nil {
			return 0, err
		}
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				rows.Close()
				return 0, err
			}
			present[id] = true
		}
		if err := rows.Close(); err != nil {
			return 0, err
		}
	}
	// The object goes first, as in the backend: a row that is there vouches for its object.
	missing := slices.DeleteFunc(indexes(h.Attachments), func(i int) bool { return present[h.id("attachment", i)] })
	err = judge.Parallel(ctx, 4, missing, func(ctx context.Context, i int) error {
		a, content := h.attachment(i)
		if err := bucket.Put(ctx, a.ObjectKey, bytes.NewReader(content), a.Size, a.ContentType); err != nil {
			return err
		}
		return insert(ctx, pool,
			"attachments (uuid, conversation_id, sender_id, file_name, content_type, size, sha256, object_key, created_at)",
			"uuid = uuid", [][]any{{
				a.UUID, a.ConversationID, a.SenderID, a.FileName, a.ContentType, a.Size, a.SHA256, a.ObjectKey, a.CreatedAt,
			}})
	})
	return len(missing), err
}

// insert writes rows in large statements. A row that is there already stays as it is (an update to the same value):
// INSERT IGNORE would also hide real errors.
func insert(ctx context.Context, pool *sql.DB, into, unchanged string, rows [][]any) error {
	for batch := range slices.Chunk(rows, rowsPerStatement) {
		width := len(batch[0])
		values := make([]any, 0, len(batch)*width)
		for _, row := range batch {
			values = append(values, row...)
		}
		statement := "INSERT INTO " + into + " VALUES " + list(len(batch), "("+list(width, "?")+")") + " ON DUPLICATE KEY UPDATE " + unchanged
		if _, err := pool.ExecContext(ctx, statement, values...); err != nil {
			return err
		}
	}
	return nil
}

func list(count int, item string) string {
	return strings.TrimSuffix(strings.Repeat(item+",", count), ",")
}

func indexes(count int) []int {
	result := make([]int, count)
	for i := range result {
		result[i] = i
	}
	return result
}

func anything(values []string) []any {
	result := make([]any, len(values))
	for i, value := range values {
		result[i] = value
	}
	return result
}
