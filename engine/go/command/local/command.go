// Package local runs commands on the machine that runs Pulumi.
package local

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
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

// Process is how a command is run.
type Process struct {
	Interpreter            []string          `pulumi:"interpreter,optional"`
	Dir                    *string           `pulumi:"dir,optional"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
	AssetPaths             []string          `pulumi:"assetPaths,optional"`
	ArchivePaths           []string          `pulumi:"archivePaths,optional"`
}

// Result is what a command leaves.
type Result struct {
	Stdout  string                          `pulumi:"stdout"`
	Stderr  string                          `pulumi:"stderr"`
	Assets  map[string]types.AssetOrArchive `pulumi:"assets,optional"`
	Archive *resource.Archive               `pulumi:"archive,optional"`
}

// Command is command:local:Command.
type Command struct{}

// CommandArgs are its inputs.
type CommandArgs struct {
	Process
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
	Triggers []any   `pulumi:"triggers,optional" provider:"replaceOnChanges"`
}

// CommandState is its state: the inputs and what the last run left.
type CommandState struct {
	CommandArgs
	Result
}

// WireDependencies makes what a command printed secret when something that it could print was secret.
func (*Command) WireDependencies(f infer.FieldSelector, args *CommandArgs, state *CommandState) {
	everything := f.InputField(args).Secret()
	f.OutputField(&state.Stdout).DependsOn(everything)
	f.OutputField(&state.Stderr).DependsOn(everything)
	f.OutputField(&state.Assets).DependsOn(everything)
	f.OutputField(&state.Archive).DependsOn(everything)
}

// Create runs `create`, if there is one.
func (*Command) Create(ctx context.Context, request infer.CreateRequest[CommandArgs]) (infer.CreateResponse[CommandState], error) {
	state := CommandState{CommandArgs: request.Inputs}
	id, err := resource.NewUniqueHex(request.Name, 8, 0)
	if err == nil && !request.DryRun && state.CommandArgs.Create != nil {
		state.Result, err = run(ctx, state.Process, *state.CommandArgs.Create, Result{})
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
		state.Result, err = run(ctx, state.Process, *command, request.State.Result)
	}
	return infer.UpdateResponse[CommandState]{Output: state}, err
}

// Delete runs `delete`, if there is one.
func (*Command) Delete(ctx context.Context, request infer.DeleteRequest[CommandState]) (infer.DeleteResponse, error) {
	if request.State.CommandArgs.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	_, err := run(ctx, request.State.Process, *request.State.CommandArgs.Delete, request.State.Result)
	return infer.DeleteResponse{}, err
}
