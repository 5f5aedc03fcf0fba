// The sample suite's backend: a small instant-messaging service. Users, conversations and messages lie in MySQL, presence and
// unread counts in Redis, attachments in MinIO. It has no login of its own: it exists to be migrated, not to be published.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"im-suite-ha/sample-suite/internal/environment"
	"im-suite-ha/sample-suite/internal/metrics"
	"im-suite-ha/sample-suite/internal/objects"
	"im-suite-ha/sample-suite/internal/store"
)

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	if err := serve(); err != nil {
		slog.Error("the backend stopped", "error", err.Error())
		os.Exit(1)
	}
}

func serve() error {
	service, err := newService()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	// The service listens at once and says "unavailable" until its databases are there: the order in which containers
	// start then does not matter.
	service.prepare(ctx)

	server := &http.Server{
		Addr:              environment.String("LISTEN_ADDRESS", ":8080"),
		Handler:           service.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	slog.Info("the backend listens", "address", server.Addr, "server", service.server)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	slog.Info("stopping: requests that run are finished first")
	// Shorter than the 10 s after which docker kills.
	limit, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	err = server.Shutdown(limit)
	service.store.Close()
	_ = service.redis.Close()
	if err != nil {
		return fmt.Errorf("requests were still running after 8 s: %w", err)
	}
	return nil
}

type service struct {
	store   *store.Store
	redis   *redis.Client
	bucket  *objects.Bucket
	metrics *metrics.Registry
	server  string
	counts  countsCache
}

func newService() (*service, error) {
	s := &service{metrics: newMetrics()}
	var err error
	if s.server, err = os.Hostname(); err != nil {
		return nil, err
	}
	s.server = environment.String("SERVER_NAME", s.server)

	master, err := endpoint("DB_MASTER_", store.Endpoint{Host: "im-mysql-prod", Port: "3306", User: "im"})
	if err != nil {
		return nil, err
	}
	var replica *store.Endpoint
	if os.Getenv("DB_SLAVE_HOST") != "" {
		// What is not said about the slave is as on the master: most often only the address differs.
		slave, err := endpoint("DB_SLAVE_", master)
		if err != nil {
			return nil, err
		}
		replica = &slave
	}
	// MySQL's own default is 151 connections in all, and two backends may share one server.
	connections, err := environment.Int("DB_MAX_OPEN_CONNECTIONS", 40)
	if err != nil {
		return nil, err
	}
	s.store, err = store.Open(master, replica, environment.String("DB_NAME", "im"), store.Limits{OpenConnections: connections})
	if err != nil {
		return nil, err
	}
	s.store.OnError = s.databaseFailed
	s.metrics.Gauge("im_database_connections", "Open connections to MySQL.", func() float64 { return float64(s.store.OpenConnections()) })

	redisPassword, err := environment.Secret("REDIS_PASSWORD")
	if err != nil {
		return nil, err
	}
	s.redis = redis.NewClient(&redis.Options{
		Addr:         net.JoinHostPort(environment.String("REDIS_HOST", "im-redis-prod"), environment.String("REDIS_PORT", "6379")),
		Password:     redisPassword,
		DialTimeout:  time.Second,
		ReadTimeout:  time.Second,
		WriteTimeout: time.Second,
		MaxRetries:   1,
		PoolSize:     50,
		// Without it the time limits of single requests are not obeyed.
		ContextTimeoutEnabled: true,
		// A demoted Redis answers "read-only" for ever on an old connection, so connections must not live long.
		ConnMaxLifetime: 5 * time.Minute,
	})

	secretKey, err := environment.Secret("MINIO_SECRET_KEY")
	if err != nil {
		return nil, err
	}
	accessKey, err := environment.Secret("MINIO_ACCESS_KEY")
	if err != nil {
		return nil, err
	}
	s.bucket, err = objects.Open(environment.String("MINIO_ENDPOINT", "im-minio-prod:9000"), accessKey, secretKey,
		environment.String("MINIO_BUCKET", "im-attachments"))
	return s, err
}

func endpoint(prefix string, fallback store.Endpoint) (store.Endpoint, error) {
	password, err := environment.Secret(prefix + "PASSWORD")
	if password == "" {
		password = fallback.Password
	}
	return store.Endpoint{
		Host:     environment.String(prefix+"HOST", fallback.Host),
		Port:     environment.String(prefix+"PORT", fallback.Port),
		User:     environment.String(prefix+"USER", fallback.User),
		Password: password,
	}, err
}

// prepare makes the schema and the bucket when they are missing. Neither waits for the other.
func (s *service) prepare(ctx context.Context) {
	go untilDone(ctx, "schema", s.store.EnsureSchema)
	go untilDone(ctx, "bucket", s.bucket.Ensure)
}

// untilDone repeats the work every second until it succeeds or the service stops.
func untilDone(ctx context.Context, part string, work func(context.Context) error) {
	for ctx.Err() == nil {
		limit, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := work(limit)
		cancel()
		if err == nil {
			slog.Info("ready", "part", part)
			return
		}
		slog.Warn("not ready yet", "part", part, "error", err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (s *service) databaseFailed(operation string, err error) {
	s.metrics.Add("im_database_errors_total", 1, "operation", operation)
	slog.Warn("MySQL", "operation", operation, "error", err.Error())
}

func newMetrics() *metrics.Registry {
	r := metrics.NewRegistry()
	r.Counter("im_http_requests_total", "Requests by route and status.")
	r.Histogram("im_http_request_duration_seconds", "Time to answer, by route.")
	r.Counter("im_database_errors_total", "Failed MySQL statements by operation.")
	r.Counter("im_redis_errors_total", "Failed Redis commands.")
	r.Counter("im_object_errors_total", "Failed MinIO requests.")
	return r
}
