package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// unreachable is a service whose three databases refuse every connection.
func unreachable(t *testing.T) http.Handler {
	t.Helper()
	for name, value := range map[string]string{
		"DB_MASTER_HOST": "127.0.0.1", "DB_MASTER_PORT": "1", "DB_MASTER_PASSWORD": "'\"$`\\@#!% 密",
		"DB_SLAVE_HOST": "127.0.0.1", "DB_SLAVE_PORT": "2",
		"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1", "MINIO_ENDPOINT": "127.0.0.1:1",
		"MINIO_ACCESS_KEY": "key", "MINIO_SECRET_KEY": "secret",
	} {
		t.Setenv(name, value)
	}
	s, err := newService()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.store.Close)
	return s.handler()
}

func request(handler http.Handler, method, path, body string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(method, path, strings.NewReader(body)))
	return recorder
}

func TestHealthOfAServiceWithoutDatabases(t *testing.T) {
	handler := unreachable(t)
	started := time.Now()
	answer := request(handler, http.MethodGet, "/health", "")
	if answer.Code != http.StatusServiceUnavailable || time.Since(started) > 2*healthLimit {
		t.Fatalf("status %d after %v", answer.Code, time.Since(started))
	}
	// The roadmap's health check greps for these two letters, anywhere.
	if strings.Contains(answer.Body.String(), "ok") {
		t.Fatalf("a failing health check says ok: %s", answer.Body)
	}
	var parts map[string]string
	if err := json.Unmarshal(answer.Body.Bytes(), &parts); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"mysql", "redis", "minio"} {
		if parts[part] != "down" {
			t.Errorf("%s is %q", part, parts[part])
		}
	}
}

func TestErrorsAreJSONAndDoNotTellCauses(t *testing.T) {
	handler := unreachable(t)
	id := "11111111-1111-4111-8111-111111111111"
	for name, test := range map[string]struct {
		method, path, body string
		status             int
	}{
		"no database":        {"GET", "/api/v1/users", "", 503},
		"no Redis":           {"GET", "/api/v1/users/1/presence", "", 503},
		"a write":            {"POST", "/api/v1/messages", `{"id":"` + id + `","conversation_id":1,"sender_id":1,"body":"x"}`, 503},
		"no JSON":            {"POST", "/api/v1/messages", "x", 400},
		"an unknown field":   {"POST", "/api/v1/messages", `{"x":1}`, 400},
		"a bad id":           {"POST", "/api/v1/messages", `{"id":"x","body":"x"}`, 400},
		"an empty body":      {"POST", "/api/v1/messages", `{"id":"` + id + `"}`, 400},
		"a bad number":       {"GET", "/api/v1/users?limit=x", "", 400},
		"a limit too large":  {"GET", "/api/v1/users?limit=100000", "", 400},
		"a bad path":         {"GET", "/api/v1/users/x/unread", "", 400},
		"an empty file":      {"POST", "/api/v1/attachments?id=" + id + "&file_name=a", "", 400},
		"no members":         {"POST", "/api/v1/conversations", `{"id":"` + id + `","title":"t"}`, 400},
		"a request too long": {"POST", "/api/v1/users", `{"name":"` + strings.Repeat("x", 70_000) + `"}`, 413},
	} {
		answer := request(handler, test.method, test.path, test.body)
		var body struct{ Error string }
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || body.Error == "" {
			t.Errorf("%s: not a JSON error: %s", name, answer.Body)
		}
		if answer.Code != test.status {
			t.Errorf("%s: status %d, expected %d: %s", name, answer.Code, test.status, answer.Body)
		}
		if strings.Contains(answer.Body.String(), "127.0.0.1") {
			t.Errorf("%s: the answer tells where the databases are: %s", name, answer.Body)
		}
	}
	metrics := request(handler, http.MethodGet, "/metrics", "").Body.String()
	for _, line := range []string{
		`im_http_requests_total{route="GET /api/v1/users",status="503"} 1`,
		`im_database_errors_total{operation="replica"} 1`,
		`im_http_request_duration_seconds_count{route="POST /api/v1/messages"} 5`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no line %q in:\n%s", line, metrics)
		}
	}
}
