// Package remote runs commands on servers over ssh.
package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
)

// Logging says which output is also shown while the command runs.
type Logging string

// The values of @pulumi/command.
const (
	LogStdout          Logging = "stdout"
	LogStderr          Logging = "stderr"
	LogStdoutAndStderr Logging = "stdoutAndStderr"
	LogNone            Logging = "none"
)

// Values lists them for the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "Stdout", Value: LogStdout, Description: "Show stdout"},
		{Name: "Stderr", Value: LogStderr, Description: "Show stderr"},
		{Name: "StdoutAndStderr", Value: LogStdoutAndStderr, Description: "Show both"},
		{Name: "None", Value: LogNone, Description: "Show nothing"},
	}
}

// Command is command:remote:Command.
type Command struct{}

// CommandInputs are its inputs. Any change reruns update, or create where there is no update; a changed trigger replaces.
type CommandInputs struct {
	Connection             *Connection       `pulumi:"connection" provider:"secret"`
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Triggers               []any             `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

// Annotate sets the defaults of @pulumi/command.
func (i *CommandInputs) Annotate(a infer.Annotator) { a.SetDefault(&i.AddPreviousOutputInEnv, true) }

// CommandOutputs are its outputs. Both are secret when any input is: infer's rule, and the official plugin's.
type CommandOutputs struct {
	CommandInputs
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Create runs the create command.
func (*Command) Create(ctx context.Context, request infer.CreateRequest[CommandInputs]) (infer.CreateResponse[CommandOutputs], error) {
	state := CommandOutputs{CommandInputs: request.Inputs}
	id, err := newID(request.Name)
	if err != nil || request.DryRun {
		return infer.CreateResponse[CommandOutputs]{ID: id, Output: state}, err
	}
	if request.Inputs.Create != nil {
		err = state.run(ctx, *request.Inputs.Create, nil)
	}
	return infer.CreateResponse[CommandOutputs]{ID: id, Output: state}, err
}

// Update runs the update command, or create again where there is none.
func (*Command) Update(ctx context.Context, request infer.UpdateRequest[CommandInputs, CommandOutputs]) (infer.UpdateResponse[CommandOutputs], error) {
	state := CommandOutputs{CommandInputs: request.Inputs, Stdout: request.State.Stdout, Stderr: request.State.Stderr}
	command := request.Inputs.Update
	if command == nil {
		command = request.Inputs.Create
	}
	if request.DryRun || command == nil {
		return infer.UpdateResponse[CommandOutputs]{Output: state}, nil
	}
	err := state.run(ctx, *command, &request.State)
	return infer.UpdateResponse[CommandOutputs]{Output: state}, err
}

// Delete runs the delete command with everything as it is in the state.
func (*Command) Delete(ctx context.Context, request infer.DeleteRequest[CommandOutputs]) (infer.DeleteResponse, error) {
	state := request.State
	if state.CommandInputs.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	return infer.DeleteResponse{}, state.run(ctx, *state.CommandInputs.Delete, &request.State)
}

// WireDependencies: outputs are recomputed when the command runs again, and secret as soon as an input is.
func (*Command) WireDependencies(f infer.FieldSelector, inputs *CommandInputs, state *CommandOutputs) {
	commands := []infer.InputField{
		f.InputField(&inputs.Create), f.InputField(&inputs.Update), f.InputField(&inputs.Stdin),
		f.InputField(&inputs.Environment), f.InputField(&inputs.Triggers),
	}
	f.OutputField(&state.Stdout).DependsOn(commands...)
	f.OutputField(&state.Stderr).DependsOn(commands...)
}

// run runs one command line in the login shell and keeps its output.
func (s *CommandOutputs) run(ctx context.Context, command string, previous *CommandOutputs) error {
	client, err := s.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return fmt.Errorf("%s: no ssh session: %w", s.Connection.Host, err)
	}
	defer session.Close()
	if err := s.setEnvironment(session, previous); err != nil {
		return err
	}
	if s.Stdin != nil {
		session.Stdin = strings.NewReader(*s.Stdin)
	}
	var stdout, stderr bytes.Buffer
	session.Stdout, session.Stderr = &stdout, &stderr
	err = session.Run(command)
	// The official plugin cuts one line break at the end, as a shell's $(…) does.
	s.Stdout, s.Stderr = strings.TrimSuffix(stdout.String(), "\n"), strings.TrimSuffix(stderr.String(), "\n")
	s.log(ctx)
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return fmt.Errorf("%s: the command ended with exit code %d:\n%s", s.Connection.Host, exit.ExitStatus(), lastLines(s.Stderr+"\n"+s.Stdout))
	case errors.As(err, &missing):
		return fmt.Errorf("%s: the connection ended before the command did:\n%s", s.Connection.Host, lastLines(s.Stderr))
	default:
		return fmt.Errorf("%s: %w", s.Connection.Host, err)
	}
}

// setEnvironment needs AcceptEnv on the server for each variable of ours; the previous output is only tried.
func (s *CommandOutputs) setEnvironment(session *ssh.Session, previous *CommandOutputs) error {
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		if err := session.Setenv(name, s.Environment[name]); err != nil {
			return fmt.Errorf("%s: sshd refuses the variable %s: add it to AcceptEnv in its configuration: %w", s.Connection.Host, name, err)
		}
	}
	if previous != nil && valueOr(s.AddPreviousOutputInEnv, true) {
		_ = session.Setenv("PULUMI_COMMAND_STDOUT", previous.Stdout)
		_ = session.Setenv("PULUMI_COMMAND_STDERR", previous.Stderr)
	}
	return nil
}

func (s *CommandOutputs) log(ctx context.Context) {
	logging := valueOr(s.Logging, LogStdoutAndStderr)
	logger := p.GetLogger(ctx)
	if s.Stdout != "" && (logging == LogStdout || logging == LogStdoutAndStderr) {
		logger.Info(s.Stdout)
	}
	if s.Stderr != "" && (logging == LogStderr || logging == LogStdoutAndStderr) {
		logger.Info(s.Stderr)
	}
}

// lastLines keeps an error readable. The command itself is not repeated: it may be long, and it is in the program.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

func newID(name string) (string, error) {
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	return name + hex.EncodeToString(random), nil
}
