package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

func TestLocalCommandLives(t *testing.T) {
	directory := t.TempDir()
	inputs := func(create string, extra values) values {
		all := values{
			"create": text(create), "dir": text(directory), "stdin": text("given"),
			"delete": text("echo deleted after $PULUMI_COMMAND_STDOUT > deleted"), "environment": object(values{"COLOUR": text("blue")}),
		}
		for name, value := range extra {
			all[name] = value
		}
		return all
	}
	subject := newEngine(t, localCommand)
	subject.create(inputs("cat; echo \" $COLOUR\"", nil))
	expectEqual(t, "stdout", subject.output("stdout"), "given blue")
	expectEqual(t, "a trigger", subject.diff(inputs("cat; echo \" $COLOUR\"", values{"triggers": list("x")})), "replace")
	subject.update(inputs("false", values{"update": text("echo updated after $PULUMI_COMMAND_STDOUT")}))
	expectEqual(t, "stdout", subject.output("stdout"), "updated after given blue")
	subject.delete()
	expectEqual(t, "deleted", strings.TrimSpace(contentOf(t, filepath.Join(directory, "deleted"))), "deleted after updated after given blue")
}

func TestLocalCommandInterpreter(t *testing.T) {
	subject := newEngine(t, localCommand)
	subject.create(values{"create": text("echo ${BASH_VERSION:+bash}"), "interpreter": list("bash", "-c")})
	expectEqual(t, "stdout", subject.output("stdout"), "bash")
}

func TestLocalCommandSecretsAndFailure(t *testing.T) {
	subject := newEngine(t, localCommand)
	subject.create(values{"create": text("cat"), "stdin": secret("top secret")})
	expectEqual(t, "stdout is secret", subject.state.Get("stdout").Secret(), true)
	err := newEngine(t, localCommand).tryCreate(values{"create": text("cat; exit 4"), "stdin": secret("top secret")})
	expectError(t, err, "exit status 4", "[secret]")
	if strings.Contains(err.Error(), "top secret") {
		t.Errorf("the error has the secret: %s", err)
	}
}

func TestLocalCommandFindsFiles(t *testing.T) {
	directory := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(directory, "src", "deep"), 0o755))
	for _, name := range []string{"src/a.js", "src/deep/b.js", "src/secret.js", "other.txt"} {
		must(t, os.WriteFile(filepath.Join(directory, name), []byte(name), 0o644))
	}
	subject := newEngine(t, localCommand)
	subject.create(values{
		"create": text("true"), "dir": text(directory),
		"assetPaths": list("src/**.js", "!**secret.*"), "archivePaths": list("*.txt"),
	})
	found := []string{}
	for name := range subject.state.Get("assets").AsMap().All {
		found = append(found, name)
	}
	slices.Sort(found)
	expectEqual(t, "assets", strings.Join(found, " "), "src/a.js src/deep/b.js")
	archive := subject.state.Get("archive").AsArchive()
	expectEqual(t, "files in the archive", len(archive.Assets), 1)
}

func TestLocalCommandTimeoutEndsTheWholeGroup(t *testing.T) {
	subject := newEngine(t, localCommand)
	inputs := subject.check(values{"create": text("sleep 20 & wait")})
	started := time.Now()
	_, err := subject.server.Create(provider.CreateRequest{Urn: subject.urn, Properties: inputs, Timeout: 1})
	if err == nil {
		t.Error("no error")
	}
	if taken := time.Since(started); taken > 4*time.Second {
		t.Errorf("took %s", taken)
	}
}

func TestLocalRun(t *testing.T) {
	subject := newEngine(t, localCommand)
	response, err := subject.server.Invoke(provider.InvokeRequest{
		Token: "command:local:run", Args: property.NewMap(values{"command": text("echo now")}),
	})
	must(t, err)
	expectEqual(t, "stdout", response.Return.Get("stdout").AsString(), "now")
}
