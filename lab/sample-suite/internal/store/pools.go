// Package store is the suite's MySQL: two pools, the schema, and the statements of the backend.
//
// Why database/sql with two pools and not GORM's dbresolver, which the roadmap shows: dbresolver chooses a pool by the
// kind of statement and at random, it does not fall back to the master when a replica is away, and it cannot say which server
// acknowledged a write. This service has to do all three, and has few statements.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Endpoint is how to reach one MySQL server.
type Endpoint struct {
	Host, Port, User, Password string
}

// Limits bounds one pool.
type Limits struct {
	OpenConnections int
}

// replicaPause is how long list reads stay on the master after the replica failed: without it every read would
// first wait for a dead server.
const replicaPause = 5 * time.Second

// Store is the suite's database.
type Store struct {
	master       *sql.DB
	replica      *sql.DB
	replicaAfter atomic.Int64
	members      memberCache
	// OnError is told of each failed statement ("write", "read", "replica"), for the metrics. Never nil.
	OnError func(operation string, err error)
}

// Open makes the pools. It opens no connection: the service starts before its database and waits for it.
// A nil replica means that every read goes to the master.
func Open(master Endpoint, replica *Endpoint, database string, limits Limits) (*Store, error) {
	s := &Store{OnError: func(string, error) {}}
	var err error
	if s.master, err = OpenPool(master, database, limits); err != nil {
		return nil, err
	}
	if replica != nil {
		if s.replica, err = OpenPool(*replica, database, limits); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// OpenPool makes one pool of connections. The password goes into the driver's Config, never through the text of a
// DSN, so that it may hold any character.
func OpenPool(endpoint Endpoint, database string, limits Limits) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.Net = "tcp"
	config.Addr = net.JoinHostPort(endpoint.Host, endpoint.Port)
	config.User = endpoint.User
	config.Passwd = endpoint.Password
	config.DBName = database
	config.ParseTime = true
	config.Loc = time.UTC
	config.Params = map[string]string{"time_zone": "'+00:00'"}
	config.InterpolateParams = true
	config.Timeout = 3 * time.Second
	config.ReadTimeout = 15 * time.Second
	config.WriteTimeout = 15 * time.Second
	// A demoted master answers "read-only": the driver then drops that connection, and the next one is made anew and
	// reaches the new master.
	config.RejectReadOnly = true
	inner, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("database at %s: %w", config.Addr, err)
	}
	pool := sql.OpenDB(connector{inner})
	pool.SetMaxOpenConns(limits.OpenConnections)
	pool.SetMaxIdleConns(limits.OpenConnections)
	// Connections must spread again after a failover or a new replica, so none lives long.
	pool.SetConnMaxLifetime(5 * time.Minute)
	pool.SetConnMaxIdleTime(time.Minute)
	return pool, nil
}

// Close closes both pools.
func (s *Store) Close() {
	_ = s.master.Close()
	if s.replica != nil {
		_ = s.replica.Close()
	}
}

// OpenConnections is the number of open connections of both pools.
func (s *Store) OpenConnections() int {
	open := s.master.Stats().OpenConnections
	if s.replica != nil {
		open += s.replica.Stats().OpenConnections
	}
	return open
}

// reader returns the pool for list reads.
func (s *Store) reader() *sql.DB {
	if s.replica == nil || time.Now().UnixNano() < s.replicaAfter.Load() {
		return s.master
	}
	return s.replica
}

// listRead runs a read that may be a little old: on the replica when there is one, and on the master when that fails.
func (s *Store) listRead(ctx context.Context, read func(pool *sql.DB) error) error {
	pool := s.reader()
	if pool != s.master {
		err := bounded(ctx, 4*time.Second, func(ctx context.Context) error { return read(pool) })
		if err == nil || errors.Is(err, sql.ErrNoRows) || ctx.Err() != nil {
			return err
		}
		s.replicaAfter.Store(time.Now().Add(replicaPause).UnixNano())
		s.OnError("replica", err)
	}
	return s.failed("read", read(s.master))
}

func (s *Store) failed(operation string, err error) error {
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		s.OnError(operation, err)
	}
	return err
}

// write runs one statement on the master, outside a transaction: when the server says OK, it is committed. It
// returns the server's identity, so that the acknowledgement can say who gave it.
func (s *Store) write(ctx context.Context, statement string, args ...any) (result sql.Result, server string, err error) {
	err = retryBadConnection(func() error {
		result, server, err = s.writeOnce(ctx, statement, args...)
		return err
	})
	return result, server, err
}

// retryBadConnection tries again when a pooled connection was found dead. The driver says ErrBadConn only when the
// statement did not run, so nothing is written twice.
func retryBadConnection(work func() error) (err error) {
	for range 3 {
		if err = work(); !errors.Is(err, driver.ErrBadConn) {
			return err
		}
	}
	return err
}

func (s *Store) writeOnce(ctx context.Context, statement string, args ...any) (sql.Result, string, error) {
	conn, err := s.master.Conn(ctx)
	if err != nil {
		return nil, "", err
	}
	defer conn.Close()
	result, err := conn.ExecContext(ctx, statement, args...)
	if err != nil {
		return nil, "", err
	}
	return result, serverOf(conn), nil
}

func serverOf(conn *sql.Conn) string {
	server := ""
	_ = conn.Raw(func(raw any) error {
		if identified, ok := raw.(identifiedConn); ok {
			server = identified.server
		}
		return nil
	})
	return server
}

// driverConn is everything that database/sql asks of a MySQL connection.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// identifiedConn is a connection that knows which server it leads to: behind a virtual IP or a proxy the address
// does not tell.
type identifiedConn struct {
	driverConn
	server string
}

type connector struct{ driver.Connector }

// Connect opens a connection and asks the server, once, for its server_uuid.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := raw.(driverConn)
	if !ok {
		_ = raw.Close()
		return nil, fmt.Errorf("the MySQL driver's connection lost a method that this service needs: %T", raw)
	}
	server, err := askServer(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return identifiedConn{conn, server}, nil
}

func askServer(ctx context.Context, conn driverConn) (string, error) {
	rows, err := conn.QueryContext(ctx, "SELECT @@server_uuid", nil)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil {
		return "", err
	}
	switch value := row[0].(type) {
	case []byte:
		return string(value), nil
	case string:
		return value, nil
	}
	return "", fmt.Errorf("server_uuid came as %T", row[0])
}

func bounded(ctx context.Context, limit time.Duration, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return work(ctx)
}
