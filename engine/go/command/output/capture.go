// Package output collects what a command prints, passes it to Pulumi's log, and keeps secrets out of both log and errors.
package output

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"

	provider "github.com/pulumi/pulumi-go-provider"
)

// Names of the variables in which a command finds what its predecessor printed.
const (
	PreviousStdout = "PULUMI_COMMAND_STDOUT"
	PreviousStderr = "PULUMI_COMMAND_STDERR"
)

// Streams says which of a command's streams are logged.
type Streams struct{ Stdout, Stderr bool }

// StreamsOf reads the value of the `logging` input; nothing means both streams.
func StreamsOf(logging *string) Streams {
	if logging == nil {
		return Streams{Stdout: true, Stderr: true}
	}
	return Streams{
		Stdout: *logging == "stdout" || *logging == "stdoutAndStderr",
		Stderr: *logging == "stderr" || *logging == "stdoutAndStderr",
	}
}

// Capture holds what one run of a command prints. Give its two writers to the process.
type Capture struct {
	Stdout, Stderr *Stream

	mutex sync.Mutex
	both  bytes.Buffer
}

// Stream is one of the two writers of a Capture.
type Stream struct {
	capture *Capture
	ctx     context.Context
	logged  bool
	all     bytes.Buffer
	line    []byte
}

// NewCapture starts a collection whose lines go to Pulumi's log as they come, unless the command was given a secret.
func NewCapture(ctx context.Context, logged Streams) *Capture {
	if mayPrintSecrets(ctx) {
		logged = Streams{}
	}
	capture := &Capture{}
	capture.Stdout = &Stream{capture: capture, ctx: ctx, logged: logged.Stdout}
	capture.Stderr = &Stream{capture: capture, ctx: ctx, logged: logged.Stderr}
	return capture
}

// Write takes a piece of output. The two streams of one process may call it at the same time.
func (s *Stream) Write(piece []byte) (int, error) {
	s.capture.mutex.Lock()
	defer s.capture.mutex.Unlock()
	s.all.Write(piece)
	s.capture.both.Write(piece)
	if !s.logged {
		return len(piece), nil
	}
	s.line = append(s.line, piece...)
	for {
		end := bytes.IndexByte(s.line, '\n')
		if end < 0 {
			return len(piece), nil
		}
		s.log(s.line[:end])
		s.line = s.line[end+1:]
	}
}

func (s *Stream) log(line []byte) {
	provider.GetLogger(s.ctx).Info(HideSecrets(s.ctx, strings.TrimSuffix(string(line), "\r")))
}

// Text is everything written so far, without the newline at its end.
func (s *Stream) Text() string { return strings.TrimSuffix(s.all.String(), "\n") }

// Close logs a last line that has no newline. Call it when the process has ended.
func (c *Capture) Close() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, stream := range []*Stream{c.Stdout, c.Stderr} {
		if stream.logged && len(stream.line) > 0 {
			stream.log(stream.line)
			stream.line = nil
		}
	}
}

// Failure is the error of a command that failed: what went wrong, the command and what it printed, without secrets.
func (c *Capture) Failure(ctx context.Context, err error, command string) error {
	// Hidden before it is quoted: quoting changes a secret's quotes and backslashes.
	return fmt.Errorf("%w: running %q:\n%s", err, HideSecrets(ctx, command), HideSecrets(ctx, c.both.String()))
}
