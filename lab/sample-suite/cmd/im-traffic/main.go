// The traffic of the lab and its judge: `run` chats with the sample suite and logs every acknowledged write, `verify` looks for
// each of them in the databases, `seed` fills an empty suite.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"im-suite-ha/sample-suite/internal/traffic"
)

const usage = `Usage:
  im-traffic run    --target http://198.18.0.11:8080 --log FILE [--clients 10] [--rate 20] [--duration 30s]
  im-traffic verify --log FILE [--log FILE ...] [--json FILE] and where the databases are
  im-traffic seed   [--messages 100000] [--check] and where the databases are
  im-traffic <command> --help shows every option

Where the databases are (addresses of the lab only):
  --mysql 198.18.0.11:3307 --user im --database im --password-file FILE       (or MYSQL_PASSWORD)
  --minio 198.18.0.11:9000 --bucket im-attachments --access-key-file FILE --secret-key-file FILE
                                                                              (or MINIO_ACCESS_KEY, MINIO_SECRET_KEY)

Exit codes: 0 all is well; 1 an acknowledged write is lost or different; 2 it could not be done or judged.
`

// errNotPassed ends the program with exit code 1; what was wrong has been printed.
var errNotPassed = errors.New("not passed")

func main() {
	commands := map[string]func(context.Context, []string) error{"run": run, "verify": verify, "seed": seedSuite}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		asked := len(os.Args) == 2 && (os.Args[1] == "--help" || os.Args[1] == "-h" || os.Args[1] == "help")
		if asked {
			fmt.Print(usage)
			return
		}
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := commands[os.Args[1]](ctx, os.Args[2:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errNotPassed):
		os.Exit(1)
	default:
		fmt.Fprintf(os.Stderr, "im-traffic %s: %v\n", os.Args[1], err)
		os.Exit(2)
	}
}

func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not an option", flags.Arg(0))
	}
	return nil
}

func run(ctx context.Context, args []string) error {
	options := traffic.Options{Output: os.Stdout}
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.StringVar(&options.Target, "target", "http://198.18.0.11:8080", "the service; an address of the lab")
	flags.IntVar(&options.Clients, "clients", 10, "people who chat, each with a connection of its own")
	flags.Float64Var(&options.Rate, "rate", 20, "writes per second of all clients together")
	flags.DurationVar(&options.Duration, "duration", 0, "for example 30s; without it until SIGTERM")
	flags.Float64Var(&options.ReadRatio, "reads", 0.5, "reads per write, from 0 to 1")
	flags.IntVar(&options.AttachmentEvery, "attachment-every", 100, "one of so many writes is an attachment; 0: none")
	flags.DurationVar(&options.Timeout, "timeout", 5*time.Second, "time limit of one request")
	flags.StringVar(&options.LogFile, "log", "", "the log, to which is appended")
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case options.LogFile == "":
		return errors.New("--log is missing")
	case options.Clients < 1 || options.Clients > 50_000:
		return fmt.Errorf("--clients is %d, expected 1 to 50000", options.Clients)
	case !(options.Rate > 0 && options.Rate <= 50_000):
		return fmt.Errorf("--rate is %v, expected more than 0, at most 50000", options.Rate)
	case !(options.ReadRatio >= 0 && options.ReadRatio <= 1):
		return fmt.Errorf("--reads is %v, expected 0 to 1", options.ReadRatio)
	case options.AttachmentEvery < 0:
		return fmt.Errorf("--attachment-every is %d, expected 0 or more", options.AttachmentEvery)
	case options.Timeout <= 0:
		return fmt.Errorf("--timeout is %v, expected more than 0", options.Timeout)
	}
	return traffic.Run(ctx, options)
}
