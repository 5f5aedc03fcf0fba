package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestThePageIsThereEvenWithoutABackend(t *testing.T) {
	handler := handler(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
	for path, status := range map[string]int{"/": 200, "/api/v1/stats": 502, "/health": 502, "/api/v1/users": 404, "/x": 404} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		if recorder.Code != status {
			t.Errorf("%s: status %d, expected %d", path, recorder.Code, status)
		}
		if path == "/" && !strings.Contains(recorder.Body.String(), "管理后台") {
			t.Error("the page is not in Chinese")
		}
	}
}

func TestThePageAsksThroughTheSamePort(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.URL.Path))
	}))
	defer backend.Close()
	address, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	handler(address).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/api/v1/stats", nil))
	if recorder.Code != 200 || recorder.Body.String() != "/api/v1/stats" {
		t.Fatalf("got %d %q", recorder.Code, recorder.Body)
	}
}
