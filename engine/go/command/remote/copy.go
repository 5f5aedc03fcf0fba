package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pkg/sftp"
	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// CopyToRemote is command:remote:CopyToRemote: a file, a directory or a text, copied over sftp. File modes are not kept, and
// destroying it deletes nothing.
type CopyToRemote struct{}

// CopyToRemoteArgs are its inputs.
type CopyToRemoteArgs struct {
	Connection Connection           `pulumi:"connection"        provider:"secret"`
	Source     types.AssetOrArchive `pulumi:"source"`
	RemotePath string               `pulumi:"remotePath"`
	Triggers   []any                `pulumi:"triggers,optional" provider:"replaceOnChanges"`
}

// CopyToRemoteState is its state.
type CopyToRemoteState struct {
	CopyToRemoteArgs
}

// Check refuses sources that sftp cannot copy as they are.
func (*CopyToRemote) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[CopyToRemoteArgs], error) {
	args, failures, err := infer.DefaultCheck[CopyToRemoteArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[CopyToRemoteArgs]{Inputs: args, Failures: failures}, err
	}
	asset, archive := args.Source.Asset, args.Source.Archive
	usable := (asset != nil && archive == nil && (asset.IsPath() || asset.IsText())) ||
		(archive != nil && asset == nil && archive.IsPath())
	if !usable {
		failures = append(failures, provider.CheckFailure{
			Property: "source", Reason: "must be a FileAsset, a StringAsset or a FileArchive",
		})
	}
	return infer.CheckResponse[CopyToRemoteArgs]{Inputs: args, Failures: failures}, nil
}

// Create copies the source.
func (*CopyToRemote) Create(
	ctx context.Context, request infer.CreateRequest[CopyToRemoteArgs],
) (infer.CreateResponse[CopyToRemoteState], error) {
	response := infer.CreateResponse[CopyToRemoteState]{Output: CopyToRemoteState{request.Inputs}}
	if request.DryRun {
		return response, nil
	}
	if err := request.Inputs.copy(ctx); err != nil {
		return response, err
	}
	var err error
	response.ID, err = resource.NewUniqueHex("", 8, 0)
	return response, err
}

// Update copies again when the content, the path or the server has changed. New credentials alone copy nothing.
func (*CopyToRemote) Update(
	ctx context.Context, request infer.UpdateRequest[CopyToRemoteArgs, CopyToRemoteState],
) (infer.UpdateResponse[CopyToRemoteState], error) {
	response := infer.UpdateResponse[CopyToRemoteState]{Output: CopyToRemoteState{request.Inputs}}
	old := request.State.CopyToRemoteArgs
	changed := old.hash() != request.Inputs.hash() || old.RemotePath != request.Inputs.RemotePath ||
		old.Connection.address() != request.Inputs.Connection.address()
	if request.DryRun || !changed {
		return response, nil
	}
	return response, request.Inputs.copy(ctx)
}

func (a *CopyToRemoteArgs) hash() string {
	switch {
	case a.Source.Asset != nil:
		return a.Source.Asset.Hash
	case a.Source.Archive != nil:
		return a.Source.Archive.Hash
	}
	return ""
}

func (a *CopyToRemoteArgs) copy(ctx context.Context) error {
	client, err := a.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { _ = client.Close() })()
	remote, err := sftp.NewClient(client)
	if err != nil {
		return fmt.Errorf("%s: no sftp: %w", a.Connection.address(), err)
	}
	defer remote.Close()
	if err := a.copyWith(remote); err != nil {
		return fmt.Errorf("%s: %w", a.Connection.address(), err)
	}
	return nil
}

func (a *CopyToRemoteArgs) copyWith(remote *sftp.Client) error {
	if asset := a.Source.Asset; asset != nil && asset.IsText() {
		return writeText(remote, asset.Text, a.RemotePath)
	}
	source := ""
	if a.Source.Asset != nil {
		source = a.Source.Asset.Path
	} else if a.Source.Archive != nil {
		source = a.Source.Archive.Path
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return copyDirectory(remote, source, a.RemotePath)
	}
	target := a.RemotePath
	if isDirectory, err := remoteIsDirectory(remote, target); err != nil {
		return err
	} else if isDirectory {
		target = path.Join(target, filepath.Base(source))
	}
	return copyFile(remote, source, target)
}

func writeText(remote *sftp.Client, text, target string) error {
	isDirectory, err := remoteIsDirectory(remote, target)
	if err != nil {
		return err
	}
	if isDirectory {
		return fmt.Errorf("%s is a directory; a text needs the path of a file", target)
	}
	return write(remote, strings.NewReader(text), target)
}

// copyDirectory copies `dir` to target/dir and the content of `dir/` to target. The directory itself is made, its parents are
// not; what lies there already is overwritten, nothing is deleted.
func copyDirectory(remote *sftp.Client, source, target string) error {
	if err := makeDirectory(remote, target); err != nil {
		return err
	}
	if !strings.HasSuffix(source, "/") {
		target = path.Join(target, filepath.Base(source))
	}
	return fs.WalkDir(os.DirFS(source), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return makeDirectory(remote, path.Join(target, name))
		}
		return copyFile(remote, filepath.Join(source, name), path.Join(target, name))
	})
}

func makeDirectory(remote *sftp.Client, target string) error {
	info, err := remote.Stat(target)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := remote.Mkdir(target); err != nil {
			return fmt.Errorf("cannot make the directory %s: %w", target, err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("cannot look at %s: %w", target, err)
	case !info.IsDir():
		return fmt.Errorf("%s exists and is not a directory", target)
	}
	return nil
}

func remoteIsDirectory(remote *sftp.Client, target string) (bool, error) {
	info, err := remote.Stat(target)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot look at %s: %w", target, err)
	}
	return info.IsDir(), nil
}

func copyFile(remote *sftp.Client, source, target string) error {
	local, err := os.Open(source)
	if err != nil {
		return err
	}
	defer local.Close()
	return write(remote, local, target)
}

func write(remote *sftp.Client, content io.Reader, target string) error {
	file, err := remote.Create(target)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", target, err)
	}
	if _, err := file.ReadFrom(content); err != nil {
		_ = file.Close()
		return fmt.Errorf("cannot write %s: %w", target, err)
	}
	// The server may tell only now that the disk is full.
	if err := file.Close(); err != nil {
		return fmt.Errorf("cannot write %s: %w", target, err)
	}
	return nil
}
