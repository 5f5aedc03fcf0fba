package local

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"im-suite-ha/engine/command/output"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Run is the function command:local:run, which runs its command in every preview and update.
type Run struct{}

// RunArgs are its arguments.
type RunArgs struct {
	Process
	Command string `pulumi:"command"`
}

// RunResult is its arguments and what the command left.
type RunResult struct {
	RunArgs
	Result
}

// Invoke runs the command.
func (*Run) Invoke(ctx context.Context, request infer.FunctionRequest[RunArgs]) (infer.FunctionResponse[RunResult], error) {
	result, err := run(ctx, request.Input.Process, request.Input.Command, Result{})
	return infer.FunctionResponse[RunResult]{Output: RunResult{RunArgs: request.Input, Result: result}}, err
}

// run runs one command and collects what it leaves. previous is what the run before it left.
func run(ctx context.Context, process Process, command string, previous Result) (Result, error) {
	words := append(append([]string{}, process.Interpreter...), command)
	if len(process.Interpreter) == 0 {
		words = []string{"/bin/sh", "-c", command}
	}
	directory, err := workingDirectory(process.Dir)
	if err != nil {
		return previous, err
	}
	capture := output.NewCapture(ctx, output.StreamsOf((*string)(process.Logging)))
	child := exec.CommandContext(ctx, words[0], words[1:]...)
	child.Dir = directory
	child.Env = environment(process, previous)
	child.Stdout, child.Stderr = capture.Stdout, capture.Stderr
	if process.Stdin != nil {
		child.Stdin = strings.NewReader(*process.Stdin)
	}
	// Ctrl-C in Pulumi must end what the shell started too, and not wait for a background process that keeps stdout open.
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	child.Cancel = func() error { return syscall.Kill(-child.Process.Pid, syscall.SIGTERM) }
	child.WaitDelay = 5 * time.Second
	err = child.Run()
	capture.Close()
	if err != nil {
		return previous, capture.Failure(ctx, err, command)
	}
	result := Result{Stdout: capture.Stdout.Text(), Stderr: capture.Stderr.Text()}
	if process.AssetPaths != nil {
		if result.Assets, err = findAssets(directory, process.AssetPaths); err != nil {
			return previous, err
		}
	}
	if process.ArchivePaths != nil {
		if result.Archive, err = archive(directory, process.ArchivePaths); err != nil {
			return previous, err
		}
	}
	return result, nil
}

func workingDirectory(given *string) (string, error) {
	if given != nil {
		return *given, nil
	}
	return os.Getwd()
}

func environment(process Process, previous Result) []string {
	all := os.Environ()
	for name, value := range process.Environment {
		all = append(all, name+"="+value)
	}
	if process.AddPreviousOutputInEnv == nil || *process.AddPreviousOutputInEnv {
		if previous.Stdout != "" {
			all = append(all, output.PreviousStdout+"="+previous.Stdout)
		}
		if previous.Stderr != "" {
			all = append(all, output.PreviousStderr+"="+previous.Stderr)
		}
	}
	return all
}
