package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"im-suite-ha/engine/command/output"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"
)

// Logging is the enumeration behind the `logging` input.
type Logging string

// Values lists what `logging` may be.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "Stdout", Value: "stdout"},
		{Name: "Stderr", Value: "stderr"},
		{Name: "StdoutAndStderr", Value: "stdoutAndStderr"},
		{Name: "None", Value: "none"},
	}
}

// Command is command:remote:Command.
type Command struct{}

// CommandArgs are its inputs.
type CommandArgs struct {
	Connection             Connection        `pulumi:"connection"                      provider:"secret"`
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Triggers               []any             `pulumi:"triggers,optional"               provider:"replaceOnChanges"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

// Result is what a command printed.
type Result struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// CommandState is its state: the inputs and what the last run printed.
type CommandState struct {
	CommandArgs
	Result
}

// WireDependencies makes what a command printed secret when something that it could print was secret. The connection is
// not among that: it is always secret, and no command sees it.
func (*Command) WireDependencies(f infer.FieldSelector, args *CommandArgs, state *CommandState) {
	seen := []infer.InputField{
		f.InputField(&args.Create).Secret(),
		f.InputField(&args.Update).Secret(),
		f.InputField(&args.Delete).Secret(),
		f.InputField(&args.Triggers).Secret(),
		f.InputField(&args.Environment).Secret(),
		f.InputField(&args.Stdin).Secret(),
	}
	f.OutputField(&state.Stdout).DependsOn(seen...)
	f.OutputField(&state.Stderr).DependsOn(seen...)
}

// Create runs `create`, if there is one.
func (*Command) Create(ctx context.Context, request infer.CreateRequest[CommandArgs]) (infer.CreateResponse[CommandState], error) {
	state := CommandState{CommandArgs: request.Inputs}
	id, err := resource.NewUniqueHex(request.Name, 8, 0)
	if err == nil && !request.DryRun && state.CommandArgs.Create != nil {
		state.Result, err = state.run(ctx, *state.CommandArgs.Create, Result{})
	}
	return infer.CreateResponse[CommandState]{ID: id, Output: state}, err
}

// Update runs `update`, else `create`, with what the run before printed in its environment.
func (*Command) Update(
	ctx context.Context, request infer.UpdateRequest[CommandArgs, CommandState],
) (infer.UpdateResponse[CommandState], error) {
	state := CommandState{CommandArgs: request.Inputs, Result: request.State.Result}
	command := state.CommandArgs.Update
	if command == nil {
		command = state.CommandArgs.Create
	}
	var err error
	if !request.DryRun && command != nil {
		state.Result, err = state.run(ctx, *command, request.State.Result)
	}
	return infer.UpdateResponse[CommandState]{Output: state}, err
}

// Delete runs `delete`, if there is one.
func (*Command) Delete(ctx context.Context, request infer.DeleteRequest[CommandState]) (infer.DeleteResponse, error) {
	if request.State.CommandArgs.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	_, err := request.State.run(ctx, *request.State.CommandArgs.Delete, request.State.Result)
	return infer.DeleteResponse{}, err
}

// run runs one command. previous is what the run before it printed; it is returned when the run fails.
func (a *CommandArgs) run(ctx context.Context, command string, previous Result) (Result, error) {
	client, err := a.Connection.dial(ctx)
	if err != nil {
		return previous, err
	}
	defer client.Close()
	// Ctrl-C in Pulumi and a custom timeout end the session. What runs on the server has its own time limit.
	defer context.AfterFunc(ctx, func() { _ = client.Close() })()
	session, err := client.NewSession()
	if err != nil {
		return previous, fmt.Errorf("%s: %w", a.Connection.address(), err)
	}
	defer session.Close()
	if err := a.setEnvironment(ctx, session, previous); err != nil {
		return previous, err
	}
	if a.Stdin != nil {
		session.Stdin = strings.NewReader(*a.Stdin)
	}
	capture := output.NewCapture(ctx, output.StreamsOf((*string)(a.Logging)))
	session.Stdout, session.Stderr = capture.Stdout, capture.Stderr
	err = session.Run(command)
	capture.Close()
	// The command succeeded and had not read all of its stdin: ssh reports the copy's end, which is no failure of the command.
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("stopped: %w", ctx.Err())
	}
	if err != nil {
		return previous, capture.Failure(ctx, fmt.Errorf("%s: %w", a.Connection.address(), err), command)
	}
	return Result{Stdout: capture.Stdout.Text(), Stderr: capture.Stderr.Text()}, nil
}

func (a *CommandArgs) setEnvironment(ctx context.Context, session *ssh.Session, previous Result) error {
	for name, value := range a.Environment {
		if err := session.Setenv(name, value); err != nil {
			return fmt.Errorf("%s: the server does not take the variable %s (%w). "+
				"Allow it with AcceptEnv in sshd_config, or begin the command with %s=...", a.Connection.address(), name, err, name)
		}
	}
	if !valueOr(a.AddPreviousOutputInEnv, true) {
		return nil
	}
	for name, value := range map[string]string{output.PreviousStdout: previous.Stdout, output.PreviousStderr: previous.Stderr} {
		if value == "" {
			continue
		}
		// A convenience that few servers allow: a command that needs it sees that it is missing.
		if err := session.Setenv(name, value); err != nil {
			provider.GetLogger(ctx).Debugf("%s does not take the variable %s: %s", a.Connection.address(), name, err)
		}
	}
	return nil
}
