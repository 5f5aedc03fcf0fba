package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

func portText(server *sshServer) string { return strconv.Itoa(server.port) }

func pipe(a, b net.Conn) {
	go func() { _, _ = io.Copy(a, b) }()
	_, _ = io.Copy(b, a)
	_ = a.Close()
	_ = b.Close()
}

func fileAsset(t *testing.T, path string) property.Value {
	t.Helper()
	asset, err := resource.NewPathAsset(path)
	must(t, err)
	return property.New(asset)
}

func directoryArchive(t *testing.T, path string) property.Value {
	t.Helper()
	archive, err := resource.NewPathArchive(path)
	must(t, err)
	return property.New(archive)
}

func textAsset(t *testing.T, content string) property.Value {
	t.Helper()
	asset, err := resource.NewTextAsset(content)
	must(t, err)
	return property.New(asset)
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return string(content)
}

func TestCopyToRemote(t *testing.T) {
	server := startServer(t)
	source, target := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(source, "one.txt"), []byte("one"), 0o644))
	must(t, os.MkdirAll(filepath.Join(source, "tree", "deep"), 0o755))
	must(t, os.WriteFile(filepath.Join(source, "tree", "deep", "two.txt"), []byte("two"), 0o644))
	tree := filepath.Join(source, "tree")

	for name, example := range map[string]struct {
		source     property.Value
		remotePath string
		result     string
		content    string
	}{
		"a file to a path":              {fileAsset(t, filepath.Join(source, "one.txt")), target + "/new.txt", "new.txt", "one"},
		"a file into a directory":       {fileAsset(t, filepath.Join(source, "one.txt")), target, "one.txt", "one"},
		"a text to a path":              {textAsset(t, "three"), target + "/three.txt", "three.txt", "three"},
		"a directory":                   {directoryArchive(t, tree), target + "/a", "a/tree/deep/two.txt", "two"},
		"the content of a directory":    {directoryArchive(t, tree+"/"), target + "/b", "b/deep/two.txt", "two"},
		"a directory over one there is": {directoryArchive(t, tree), target + "/a", "a/tree/deep/two.txt", "two"},
	} {
		t.Run(name, func(t *testing.T) {
			newEngine(t, remoteCopy).create(values{
				"connection": connection(server, nil), "source": example.source, "remotePath": text(example.remotePath),
			})
			expectEqual(t, example.result, contentOf(t, filepath.Join(target, example.result)), example.content)
		})
	}
}

func TestCopyToRemoteCopiesAgainOnlyWhenSomethingChanged(t *testing.T) {
	server, second := startServer(t), startServer(t)
	target := filepath.Join(t.TempDir(), "file")
	inputs := func(content string, on *sshServer, extra values) values {
		return values{"connection": connection(on, extra), "source": textAsset(t, content), "remotePath": text(target)}
	}
	subject := newEngine(t, remoteCopy)
	subject.create(inputs("one", server, nil))
	expectEqual(t, "the same", subject.diff(inputs("one", server, nil)), "none")
	expectEqual(t, "other content", subject.diff(inputs("two", server, nil)), "update")

	subject.update(inputs("two", server, nil))
	expectEqual(t, "content", contentOf(t, target), "two")

	before := server.connections.Load()
	subject.update(inputs("two", server, values{"perDialTimeout": property.New(20.0)}))
	expectEqual(t, "connections after another time limit", server.connections.Load(), before)

	subject.update(inputs("two", second, nil))
	expectEqual(t, "connections to the new server", second.connections.Load(), 1)

	subject.delete()
	expectEqual(t, "content after delete", contentOf(t, target), "two")
}

func TestCopyToRemoteRefusesRemoteAssets(t *testing.T) {
	remote := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(remote, []byte("x"), 0o644))
	asset, err := resource.NewURIAsset("file://" + remote)
	must(t, err)
	subject := newEngine(t, remoteCopy)
	response, err := subject.server.Check(provider.CheckRequest{Urn: subject.urn, Inputs: property.NewMap(values{
		"connection": connection(startServer(t), nil), "source": property.New(asset), "remotePath": text("/tmp/x"),
	})})
	must(t, err)
	expectEqual(t, "failures", len(response.Failures), 1)
}

func TestCopyToRemoteNamesTheServerAndThePath(t *testing.T) {
	err := newEngine(t, remoteCopy).tryCreate(values{
		"connection": connection(startServer(t), nil), "source": textAsset(t, "x"),
		"remotePath": text(filepath.Join(t.TempDir(), "missing", "file")),
	})
	expectError(t, err, "127.0.0.1:", "missing/file")
}
