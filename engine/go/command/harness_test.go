package main

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/blang/semver"
	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

const (
	remoteCommand = "command:remote:Command"
	remoteCopy    = "command:remote:CopyToRemote"
	localCommand  = "command:local:Command"
)

type values = map[string]property.Value

// engine plays Pulumi's engine for one resource: it keeps the state between the calls.
type engine struct {
	t      *testing.T
	server integration.Server
	urn    resource.URN
	id     string
	inputs property.Map
	state  property.Map
}

func newEngine(t *testing.T, resourceType string) *engine {
	t.Helper()
	server, err := integration.NewServer(t.Context(), "command", semver.MustParse("1.2.1"), integration.WithProvider(newProvider()))
	must(t, err)
	return &engine{t: t, server: server, urn: resource.URN("urn:pulumi:test::test::" + resourceType + "::subject")}
}

func (e *engine) check(inputs values) property.Map {
	e.t.Helper()
	response, err := e.server.Check(provider.CheckRequest{Urn: e.urn, Inputs: property.NewMap(inputs)})
	must(e.t, err)
	if len(response.Failures) > 0 {
		e.t.Fatalf("inputs refused: %v", response.Failures)
	}
	return e.overTheWire(response.Inputs)
}

// overTheWire sends properties through the form that they have between the engine and a plugin: only there does what the
// framework encodes become an asset or an archive again.
func (e *engine) overTheWire(properties property.Map) property.Map {
	e.t.Helper()
	options := plugin.MarshalOptions{KeepSecrets: true, KeepUnknowns: true, KeepResources: true, KeepOutputValues: true}
	sent, err := plugin.MarshalProperties(resource.ToResourcePropertyMap(properties), options)
	must(e.t, err)
	received, err := plugin.UnmarshalProperties(sent, options)
	must(e.t, err)
	return resource.FromResourcePropertyMap(received)
}

func (e *engine) tryCreate(inputs values) error {
	e.t.Helper()
	checked := e.check(inputs)
	response, err := e.server.Create(provider.CreateRequest{Urn: e.urn, Properties: checked})
	if err == nil {
		e.id, e.inputs, e.state = response.ID, checked, e.overTheWire(response.Properties)
	}
	return err
}

func (e *engine) create(inputs values) {
	e.t.Helper()
	must(e.t, e.tryCreate(inputs))
}

// diff returns what the engine would do: "none", "update" or "replace".
func (e *engine) diff(inputs values) string {
	e.t.Helper()
	response, err := e.server.Diff(provider.DiffRequest{
		ID: e.id, Urn: e.urn, State: e.state, OldInputs: e.inputs, Inputs: e.check(inputs),
	})
	must(e.t, err)
	if !response.HasChanges {
		return "none"
	}
	for _, change := range response.DetailedDiff {
		if strings.HasSuffix(string(change.Kind), "&replace") {
			return "replace"
		}
	}
	return "update"
}

func (e *engine) update(inputs values) {
	e.t.Helper()
	checked := e.check(inputs)
	response, err := e.server.Update(provider.UpdateRequest{
		ID: e.id, Urn: e.urn, State: e.state, OldInputs: e.inputs, Inputs: checked,
	})
	must(e.t, err)
	e.inputs, e.state = checked, e.overTheWire(response.Properties)
}

func (e *engine) delete() {
	e.t.Helper()
	must(e.t, e.server.Delete(provider.DeleteRequest{ID: e.id, Urn: e.urn, Properties: e.state, OldInputs: e.inputs}))
}

func (e *engine) output(name string) string {
	e.t.Helper()
	value := e.state.Get(name)
	if !value.IsString() {
		e.t.Fatalf("%s is %v, expected a string", name, value)
	}
	return value.AsString()
}

func text(value string) property.Value { return property.New(value) }

func secret(value string) property.Value { return property.New(value).WithSecret(true) }

func list(elements ...string) property.Value {
	all := make([]property.Value, 0, len(elements))
	for _, element := range elements {
		all = append(all, text(element))
	}
	return property.New(property.NewArray(all))
}

func object(content values) property.Value { return property.New(property.NewMap(content)) }

// connection logs in to a server with its password; extra overrides or adds.
func connection(server *sshServer, extra values) property.Value {
	content := values{
		"host":     text("127.0.0.1"),
		"port":     property.New(float64(server.port)),
		"user":     text("tester"),
		"password": secret(server.password),
	}
	for name, value := range extra {
		content[name] = value
	}
	return object(content).WithSecret(true)
}

// captureLog collects what the provider logs while the test runs.
func captureLog(t *testing.T) func() string {
	t.Helper()
	var mutex sync.Mutex
	var buffer bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(writerFunc(func(piece []byte) (int, error) {
		mutex.Lock()
		defer mutex.Unlock()
		return buffer.Write(piece)
	}), &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(before) })
	return func() string {
		mutex.Lock()
		defer mutex.Unlock()
		return buffer.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(piece []byte) (int, error) { return f(piece) }

func expectEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func expectError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, expected one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %s", part, err)
		}
	}
}
