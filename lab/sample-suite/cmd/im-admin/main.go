// The sample suite's admin page: one page that shows what the backend counts.
package main

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"im-suite-ha/sample-suite/internal/environment"
)

//go:embed page.html
var page []byte

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	backend, err := url.Parse(environment.String("BACKEND_URL", "http://im-backend-prod:8080"))
	if err != nil || backend.Host == "" {
		slog.Error("BACKEND_URL is not a URL, expected for example http://im-backend-prod:8080")
		os.Exit(1)
	}
	server := &http.Server{
		Addr:              environment.String("LISTEN_ADDRESS", ":80"),
		Handler:           handler(backend),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	slog.Info("the admin page listens", "address", server.Addr)
	select {
	case err = <-failed:
	case <-ctx.Done():
		limit, cancel := context.WithTimeout(context.Background(), 8*time.Second)
		defer cancel()
		err = server.Shutdown(limit)
	}
	if err != nil {
		slog.Error("the admin page stopped", "error", err.Error())
		os.Exit(1)
	}
}

// handler serves the page, and passes on exactly the two requests that the page makes: the backend's other routes
// must not become reachable through this port.
func handler(backend *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			slog.Warn("the backend does not answer", "error", err.Error())
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte(`{"error":"the backend does not answer"}` + "\n"))
		},
	}
	mux := http.NewServeMux()
	mux.Handle("GET /api/v1/stats", proxy)
	mux.Handle("GET /health", proxy)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'")
		_, _ = w.Write(page)
	})
	return mux
}
