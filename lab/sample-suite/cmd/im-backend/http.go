package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"im-suite-ha/sample-suite/internal/store"
)

// requestLimit bounds the work for one request. Longer than the driver's own time limits would hide which of them it was.
const requestLimit = 10 * time.Second

// healthLimit bounds each of the three checks of /health: a health check that hangs is read as "alive" by nobody.
const healthLimit = 2 * time.Second

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", s.health)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		s.metrics.Write(w)
	})
	routes := map[string]func(http.ResponseWriter, *http.Request) error{
		"POST /api/v1/users":                      s.createUser,
		"GET /api/v1/users":                       s.listUsers,
		"POST /api/v1/users/{id}/presence":        s.setPresence,
		"GET /api/v1/users/{id}/presence":         s.getPresence,
		"GET /api/v1/users/{id}/unread":           s.getUnread,
		"POST /api/v1/users/{id}/read":            s.markRead,
		"POST /api/v1/conversations":              s.createConversation,
		"GET /api/v1/conversations":               s.listConversations,
		"GET /api/v1/conversations/{id}/messages": s.listMessages,
		"POST /api/v1/messages":                   s.createMessage,
		"GET /api/v1/messages/{id}":               s.getMessage,
		"POST /api/v1/attachments":                s.createAttachment,
		"GET /api/v1/attachments/{id}":            s.getAttachment,
		"GET /api/v1/stats":                       s.getCounts,
	}
	for pattern, handle := range routes {
		mux.HandleFunc(pattern, s.instrumented(pattern, handle))
	}
	return mux
}

// badRequest is an error that the client can mend.
type badRequest string

func (e badRequest) Error() string { return string(e) }

// instrumented bounds a request, counts it, and turns its error into a status and a JSON body. Causes go to the
// log, not to the client.
func (s *service) instrumented(pattern string, handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		ctx, cancel := context.WithTimeout(r.Context(), requestLimit)
		defer cancel()
		w.Header().Set("X-IM-Server", s.server)
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		if err := handle(recorder, r.WithContext(ctx)); err != nil {
			s.answerError(recorder, pattern, err)
		}
		s.metrics.Add("im_http_requests_total", 1, "route", pattern, "status", strconv.Itoa(recorder.status))
		s.metrics.Observe("im_http_request_duration_seconds", time.Since(started).Seconds(), "route", pattern)
	}
}

func (s *service) answerError(w *statusRecorder, pattern string, err error) {
	if w.written {
		// Half of an attachment is out: only cutting the connection tells the client that the rest is missing.
		panic(http.ErrAbortHandler)
	}
	status, text := http.StatusServiceUnavailable, "a database of this service does not answer; try again"
	var bad badRequest
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &bad):
		status, text = http.StatusBadRequest, bad.Error()
	case errors.As(err, &tooLarge):
		status, text = http.StatusRequestEntityTooLarge, "the request is too large"
	case errors.Is(err, store.ErrNotFound):
		status, text = http.StatusNotFound, err.Error()
	case errors.Is(err, store.ErrConflict):
		status, text = http.StatusConflict, err.Error()
	case errors.Is(err, store.ErrNotMember):
		status, text = http.StatusForbidden, err.Error()
	default:
		slog.Warn("request failed", "route", pattern, "error", err.Error())
	}
	_ = answer(w, status, map[string]string{"error": text})
}

type statusRecorder struct {
	http.ResponseWriter
	status  int
	written bool
}

func (w *statusRecorder) WriteHeader(status int) {
	w.status, w.written = status, true
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusRecorder) Write(content []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(content)
}

func answer(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
	return nil
}

func readJSON(w http.ResponseWriter, r *http.Request, value any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return badRequest("the body is not the expected JSON: " + err.Error())
	}
	return nil
}

// health answers "ok" only when MySQL, Redis and MinIO answered a real request. The answer of a failure must not
// contain the letters "ok" anywhere, because health checks grep for them (an error text such as "broken pipe" does):
// so it has fixed words, and the causes go to the log.
func (s *service) health(w http.ResponseWriter, r *http.Request) {
	checks := map[string]func(context.Context) error{
		"mysql": s.store.Check,
		"redis": func(ctx context.Context) error { return s.redis.Ping(ctx).Err() },
		"minio": s.bucket.Check,
	}
	body := map[string]string{"status": "ok"}
	status := http.StatusOK
	var mutex sync.Mutex
	var group sync.WaitGroup
	for name, check := range checks {
		group.Go(func() {
			err := within(r.Context(), healthLimit, check)
			mutex.Lock()
			defer mutex.Unlock()
			body[name] = "up"
			if err != nil {
				slog.Warn("health", "part", name, "error", err.Error())
				body[name], body["status"] = "down", "unavailable"
				status = http.StatusServiceUnavailable
			}
		})
	}
	group.Wait()
	_ = answer(w, status, body)
}

// within bounds a check even when the check ignores its context.
func within(ctx context.Context, limit time.Duration, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func pathID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, badRequest("the id in the path is not a positive whole number")
	}
	return id, nil
}

func queryNumber(r *http.Request, name string, fallback, maximum int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < 0 || value > maximum {
		return 0, badRequest(name + " is not a whole number from 0 to " + strconv.FormatInt(maximum, 10))
	}
	return value, nil
}
