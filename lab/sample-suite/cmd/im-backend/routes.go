package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"im-suite-ha/sample-suite/internal/message"
	"im-suite-ha/sample-suite/internal/objects"
	"im-suite-ha/sample-suite/internal/store"
)

// presenceLife is how long a user counts as present after the last sign of life.
const presenceLife = time.Minute

// created answers a write: 201 when this request wrote it, 200 when an earlier attempt of it had.
func created(w http.ResponseWriter, acknowledgement store.Acknowledgement, value map[string]any) error {
	status := http.StatusCreated
	if acknowledgement.Repeated {
		status = http.StatusOK
	}
	value["database"] = acknowledgement.Database
	return answer(w, status, value)
}

func validName(name, text string, maximum int) error {
	if strings.TrimSpace(text) == "" || utf8.RuneCountInString(text) > maximum || !utf8.ValidString(text) {
		return badRequest(name + " is empty or longer than " + strconv.Itoa(maximum) + " characters")
	}
	return nil
}

func validMessageID(id string) error {
	if !message.ValidID(id) {
		return badRequest("id is not a UUID in lower case")
	}
	return nil
}

func (s *service) createUser(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		Name        string `json:"name"`
		DisplayName string `json:"display_name"`
	}
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	if err := validName("name", request.Name, 64); err != nil {
		return err
	}
	if err := validName("display_name", request.DisplayName, 128); err != nil {
		return err
	}
	user, acknowledgement, err := s.store.CreateUser(r.Context(), request.Name, request.DisplayName)
	if err != nil {
		return err
	}
	return created(w, acknowledgement, map[string]any{"id": user.ID, "name": user.Name})
}

func (s *service) listUsers(w http.ResponseWriter, r *http.Request) error {
	after, err := queryNumber(r, "after", 0, math.MaxInt64)
	if err != nil {
		return err
	}
	limit, err := queryNumber(r, "limit", 100, 1000)
	if err != nil {
		return err
	}
	users, err := s.store.Users(r.Context(), after, int(limit))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, users)
}

func (s *service) createConversation(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		ID      string  `json:"id"`
		Title   string  `json:"title"`
		Members []int64 `json:"members"`
	}
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	if err := validMessageID(request.ID); err != nil {
		return err
	}
	if err := validName("title", request.Title, 200); err != nil {
		return err
	}
	if len(request.Members) == 0 || len(request.Members) > 200 {
		return badRequest("members must name 1 to 200 users")
	}
	conversation, acknowledgement, err := s.store.CreateConversation(r.Context(), request.ID, request.Title, request.Members)
	if err != nil {
		return err
	}
	return created(w, acknowledgement, map[string]any{"id": conversation.ID, "uuid": conversation.UUID, "members": conversation.Members})
}

func (s *service) listConversations(w http.ResponseWriter, r *http.Request) error {
	after, err := queryNumber(r, "after", 0, math.MaxInt64)
	if err != nil {
		return err
	}
	limit, err := queryNumber(r, "limit", 100, 1000)
	if err != nil {
		return err
	}
	conversations, err := s.store.Conversations(r.Context(), after, int(limit))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, conversations)
}

func (s *service) createMessage(w http.ResponseWriter, r *http.Request) error {
	var m store.Message
	var request struct {
		ID             string `json:"id"`
		ConversationID int64  `json:"conversation_id"`
		SenderID       int64  `json:"sender_id"`
		Body           string `json:"body"`
	}
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	if err := validMessageID(request.ID); err != nil {
		return err
	}
	if request.Body == "" || len(request.Body) > message.MaximumBytes {
		return badRequest("body is empty or longer than " + strconv.Itoa(message.MaximumBytes) + " bytes")
	}
	m = store.Message{UUID: request.ID, ConversationID: request.ConversationID, SenderID: request.SenderID, Body: request.Body}
	acknowledgement, err := s.store.AddMessage(r.Context(), m)
	if err != nil {
		return err
	}
	if !acknowledgement.Repeated {
		s.countUnread(r.Context(), m)
	}
	return created(w, acknowledgement, map[string]any{
		"id":     m.UUID,
		"sha256": message.ContentHash(m.ConversationID, m.SenderID, m.Body),
	})
}

// countUnread raises the unread counts of everybody but the sender. The message is committed already: Redis may lose a
// count, it may not make a message fail.
func (s *service) countUnread(ctx context.Context, m store.Message) {
	members, err := s.store.Members(ctx, m.ConversationID)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	pipeline := s.redis.Pipeline()
	for _, member := range members {
		if member != m.SenderID {
			pipeline.HIncrBy(ctx, unreadKey(member), strconv.FormatInt(m.ConversationID, 10), 1)
		}
	}
	if pipeline.Len() == 0 {
		return
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		s.redisFailed("unread counts", err)
	}
}

func (s *service) redisFailed(operation string, err error) {
	s.metrics.Add("im_redis_errors_total", 1)
	slog.Warn("Redis", "operation", operation, "error", err.Error())
}

func unreadKey(user int64) string   { return "unread:" + strconv.FormatInt(user, 10) }
func presenceKey(user int64) string { return "presence:" + strconv.FormatInt(user, 10) }

func (s *service) getMessage(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := validMessageID(id); err != nil {
		return err
	}
	m, err := s.store.Message(r.Context(), id)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, m)
}

func (s *service) listMessages(w http.ResponseWriter, r *http.Request) error {
	conversation, err := pathID(r)
	if err != nil {
		return err
	}
	limit, err := queryNumber(r, "limit", 50, 500)
	if err != nil {
		return err
	}
	messages, err := s.store.Messages(r.Context(), conversation, int(limit))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, messages)
}

func (s *service) setPresence(w http.ResponseWriter, r *http.Request) error {
	user, err := pathID(r)
	if err != nil {
		return err
	}
	if err := s.redis.Set(r.Context(), presenceKey(user), s.server, presenceLife).Err(); err != nil {
		s.redisFailed("presence", err)
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"user": user, "present": true})
}

func (s *service) getPresence(w http.ResponseWriter, r *http.Request) error {
	user, err := pathID(r)
	if err != nil {
		return err
	}
	found, err := s.redis.Exists(r.Context(), presenceKey(user)).Result()
	if err != nil {
		s.redisFailed("presence", err)
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"user": user, "present": found == 1})
}

func (s *service) getUnread(w http.ResponseWriter, r *http.Request) error {
	user, err := pathID(r)
	if err != nil {
		return err
	}
	counts, err := s.redis.HGetAll(r.Context(), unreadKey(user)).Result()
	if err != nil {
		s.redisFailed("unread counts", err)
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"user": user, "unread": counts})
}

func (s *service) markRead(w http.ResponseWriter, r *http.Request) error {
	user, err := pathID(r)
	if err != nil {
		return err
	}
	var request struct {
		ConversationID int64 `json:"conversation_id"`
	}
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	if err := s.redis.HDel(r.Context(), unreadKey(user), strconv.FormatInt(request.ConversationID, 10)).Err(); err != nil {
		s.redisFailed("unread counts", err)
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"user": user, "read": request.ConversationID})
}

// createAttachment takes the content as the body and the rest as the query. The object is stored first and the row
// after it: a row never points at nothing.
func (s *service) createAttachment(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	a := store.Attachment{UUID: query.Get("id"), FileName: query.Get("file_name"), ContentType: r.Header.Get("Content-Type")}
	if err := validMessageID(a.UUID); err != nil {
		return err
	}
	if err := validName("file_name", a.FileName, 200); err != nil {
		return err
	}
	var err error
	if a.ConversationID, err = queryNumber(r, "conversation_id", 0, math.MaxInt64); err != nil {
		return err
	}
	if a.SenderID, err = queryNumber(r, "sender_id", 0, math.MaxInt64); err != nil {
		return err
	}
	if a.ContentType == "" || len(a.ContentType) > 100 {
		a.ContentType = "application/octet-stream"
	}
	if r.ContentLength < 1 || r.ContentLength > message.MaximumAttachmentBytes {
		return badRequest("an attachment has 1 to " + strconv.Itoa(message.MaximumAttachmentBytes) + " bytes and a Content-Length")
	}
	if err := s.store.RequireMember(r.Context(), a.ConversationID, a.SenderID); err != nil {
		return err
	}
	a.Size, a.ObjectKey = r.ContentLength, objects.Key(a.UUID)
	acknowledgement, err := s.storeAttachment(r, &a)
	if err != nil {
		return err
	}
	return created(w, acknowledgement, map[string]any{"id": a.UUID, "sha256": a.SHA256, "size": a.Size})
}

func (s *service) storeAttachment(r *http.Request, a *store.Attachment) (store.Acknowledgement, error) {
	hash := sha256.New()
	content := io.TeeReader(io.LimitReader(r.Body, a.Size), hash)
	earlier, err := s.store.Attachment(r.Context(), a.UUID)
	if err == nil {
		// A repeated request: compare, and never overwrite an object that a row already vouches for.
		if _, err := io.Copy(io.Discard, content); err != nil {
			return store.Acknowledgement{}, badRequest("the content ended early")
		}
		a.SHA256 = hex.EncodeToString(hash.Sum(nil))
		if a.SHA256 != earlier.SHA256 {
			return store.Acknowledgement{}, store.ErrConflict
		}
		return store.Acknowledgement{Repeated: true}, nil
	}
	if err != store.ErrNotFound {
		return store.Acknowledgement{}, err
	}
	if err := s.bucket.Put(r.Context(), a.ObjectKey, content, a.Size, a.ContentType); err != nil {
		s.metrics.Add("im_object_errors_total", 1)
		return store.Acknowledgement{}, err
	}
	a.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return s.store.AddAttachment(r.Context(), *a)
}

func (s *service) getAttachment(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := validMessageID(id); err != nil {
		return err
	}
	a, err := s.store.Attachment(r.Context(), id)
	if err != nil {
		return err
	}
	object, err := s.bucket.Get(r.Context(), a.ObjectKey)
	if err != nil {
		return err
	}
	defer object.Close()
	// The first read tells whether MinIO has it, before a status is out.
	first := make([]byte, min(a.Size, 32<<10))
	if _, err := io.ReadFull(object, first); err != nil {
		s.metrics.Add("im_object_errors_total", 1)
		return err
	}
	w.Header().Set("Content-Type", a.ContentType)
	w.Header().Set("Content-Length", strconv.FormatInt(a.Size, 10))
	w.Header().Set("X-Content-SHA256", a.SHA256)
	// Attachments come from users: a browser must not run one.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Disposition", "attachment")
	if _, err := w.Write(first); err != nil {
		return err
	}
	_, err = io.Copy(w, object)
	return err
}

type countsCache struct {
	mutex   sync.Mutex
	counts  store.Counts
	expires time.Time
}

// getCounts answers the admin page. Counting walks whole indexes, so one count serves five seconds.
func (s *service) getCounts(w http.ResponseWriter, r *http.Request) error {
	s.counts.mutex.Lock()
	defer s.counts.mutex.Unlock()
	if time.Now().After(s.counts.expires) {
		counts, err := s.store.Counts(r.Context())
		if err != nil {
			return err
		}
		s.counts.counts, s.counts.expires = counts, time.Now().Add(5*time.Second)
	}
	return answer(w, http.StatusOK, s.counts.counts)
}
