package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"im-suite-ha/sample-suite/internal/environment"
	"im-suite-ha/sample-suite/internal/judge"
	"im-suite-ha/sample-suite/internal/objects"
	"im-suite-ha/sample-suite/internal/seed"
	"im-suite-ha/sample-suite/internal/store"
	"im-suite-ha/sample-suite/internal/traffic"
)

// databases says where MySQL and MinIO are. Secrets come from files or the environment: arguments are seen by everybody.
type databases struct {
	mysql, user, database, passwordFile           string
	minio, bucket, accessKeyFile, secretKeyFile   string
	mysqlPassword, minioAccessKey, minioSecretKey string
}

func (d *databases) flags(flags *flag.FlagSet) {
	flags.StringVar(&d.mysql, "mysql", "198.18.0.11:3307", "host:port of MySQL")
	flags.StringVar(&d.user, "user", "im", "MySQL account")
	flags.StringVar(&d.database, "database", "im", "MySQL database")
	flags.StringVar(&d.passwordFile, "password-file", "", "file with the MySQL password (or MYSQL_PASSWORD)")
	flags.StringVar(&d.minio, "minio", "198.18.0.11:9000", "host:port of MinIO")
	flags.StringVar(&d.bucket, "bucket", "im-attachments", "bucket of the attachments")
	flags.StringVar(&d.accessKeyFile, "access-key-file", "", "file with the MinIO access key (or MINIO_ACCESS_KEY)")
	flags.StringVar(&d.secretKeyFile, "secret-key-file", "", "file with the MinIO secret key (or MINIO_SECRET_KEY)")
}

func (d *databases) open() (*sql.DB, *objects.Bucket, error) {
	for _, secret := range []struct {
		into           *string
		file, variable string
	}{
		{&d.mysqlPassword, d.passwordFile, "MYSQL_PASSWORD"},
		{&d.minioAccessKey, d.accessKeyFile, "MINIO_ACCESS_KEY"},
		{&d.minioSecretKey, d.secretKeyFile, "MINIO_SECRET_KEY"},
	} {
		var err error
		if secret.file != "" {
			*secret.into, err = environment.SecretFile(secret.file)
		} else {
			*secret.into, err = environment.Secret(secret.variable)
		}
		if err != nil {
			return nil, nil, err
		}
		if *secret.into == "" {
			return nil, nil, fmt.Errorf("no value for %s: set it or name a file with it", secret.variable)
		}
	}
	host, port, err := net.SplitHostPort(d.mysql)
	if err != nil {
		return nil, nil, fmt.Errorf("--mysql is %q, expected host:port", d.mysql)
	}
	objectHost, _, err := net.SplitHostPort(d.minio)
	if err != nil {
		return nil, nil, fmt.Errorf("--minio is %q, expected host:port", d.minio)
	}
	for _, address := range []string{host, objectHost} {
		if err := traffic.CheckAddress(address); err != nil {
			return nil, nil, err
		}
	}
	pool, err := store.OpenPool(store.Endpoint{Host: host, Port: port, User: d.user, Password: d.mysqlPassword}, d.database,
		store.Limits{OpenConnections: 8})
	if err != nil {
		return nil, nil, err
	}
	bucket, err := objects.Open(d.minio, d.minioAccessKey, d.minioSecretKey, d.bucket)
	return pool, bucket, err
}

type fileList []string

func (l *fileList) String() string { return fmt.Sprint(*l) }

func (l *fileList) Set(value string) error {
	*l = append(*l, value)
	return nil
}

func verify(ctx context.Context, args []string) error {
	var where databases
	var logs fileList
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	where.flags(flags)
	flags.Var(&logs, "log", "a log of `run`; may be given several times")
	jsonFile := flags.String("json", "", "also write the result to this file")
	threshold := flags.Duration("outage", time.Second, "list times without an acknowledged write from this length on")
	if err := parse(flags, args); err != nil {
		return err
	}
	if len(logs) == 0 {
		return fmt.Errorf("--log is missing")
	}
	pool, bucket, err := where.open()
	if err != nil {
		return err
	}
	defer pool.Close()
	result, err := judge.Judge(ctx, logs, pool, bucket, *threshold)
	if err != nil {
		return err
	}
	if err := printJSON(result, *jsonFile); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d writes acknowledged, %d lost, %d different; %d failed writes, %d failed reads; longest time without an acknowledgement %d ms\n",
		result.Acknowledged, result.LostCount, result.CorruptCount, result.Errors.Writes, result.Errors.Reads, result.LongestGapMs)
	if !result.Passed() {
		return errNotPassed
	}
	return nil
}

func seedSuite(ctx context.Context, args []string) error {
	var where databases
	var plan seed.Plan
	flags := flag.NewFlagSet("seed", flag.ContinueOnError)
	where.flags(flags)
	flags.Uint64Var(&plan.Seed, "seed", 1, "the same number makes the same history")
	flags.IntVar(&plan.Users, "users", 300, "users")
	flags.IntVar(&plan.Conversations, "conversations", 250, "conversations")
	flags.IntVar(&plan.Messages, "messages", 100_000, "messages")
	flags.IntVar(&plan.Attachments, "attachments", 240, "attachments of 1 KiB to 2 MiB")
	check := flags.Bool("check", false, "add nothing: compare all of it with what is there")
	if err := parse(flags, args); err != nil {
		return err
	}
	pool, bucket, err := where.open()
	if err != nil {
		return err
	}
	defer pool.Close()
	if !*check {
		report, err := seed.Fill(ctx, plan, pool, bucket, os.Stderr)
		if err != nil {
			return err
		}
		return printJSON(report, "")
	}
	expected, err := seed.Expected(ctx, plan, pool)
	if err != nil {
		return err
	}
	verdict, err := judge.Compare(ctx, expected, pool, bucket)
	if err != nil {
		return err
	}
	if err := printJSON(map[string]any{"compared": len(expected), "lost": verdict.Lost, "corrupted": verdict.Corrupted}, ""); err != nil {
		return err
	}
	if len(verdict.Lost)+len(verdict.Corrupted) > 0 {
		return errNotPassed
	}
	return nil
}

func printJSON(value any, file string) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	content = append(content, '\n')
	if _, err := os.Stdout.Write(content); err != nil || file == "" {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}
