package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"golang.org/x/crypto/ssh"
)

func TestRemoteCommandLives(t *testing.T) {
	server := startServer(t)
	server.acceptsEnvironment = true
	journal := filepath.Join(t.TempDir(), "journal")
	inputs := func(create string, extra values) values {
		all := values{
			"connection": connection(server, nil),
			"create":     text(create),
			"delete":     text("echo delete after $PULUMI_COMMAND_STDOUT >> " + journal),
		}
		for name, value := range extra {
			all[name] = value
		}
		return all
	}
	subject := newEngine(t, remoteCommand)

	subject.create(inputs("echo created; echo warned >&2", nil))
	expectEqual(t, "stdout", subject.output("stdout"), "created")
	expectEqual(t, "stderr", subject.output("stderr"), "warned")

	second := inputs("echo created again after $PULUMI_COMMAND_STDOUT", nil)
	expectEqual(t, "the same inputs", subject.diff(inputs("echo created; echo warned >&2", nil)), "none")
	expectEqual(t, "another create", subject.diff(second), "update")
	subject.update(second)
	expectEqual(t, "create stands in for update", subject.output("stdout"), "created again after created")

	third := inputs("echo never", values{"update": text("echo updated")})
	subject.update(third)
	expectEqual(t, "update", subject.output("stdout"), "updated")

	subject.delete()
	written, err := os.ReadFile(journal)
	must(t, err)
	expectEqual(t, "the journal", strings.TrimSpace(string(written)), "delete after updated")
}

func TestRemoteCommandPreviousOutputCanBeLeftOut(t *testing.T) {
	server := startServer(t)
	server.acceptsEnvironment = true
	inputs := values{
		"connection":             connection(server, nil),
		"create":                 text("echo [$PULUMI_COMMAND_STDOUT]"),
		"addPreviousOutputInEnv": property.New(false),
	}
	subject := newEngine(t, remoteCommand)
	subject.create(inputs)
	subject.update(inputs)
	expectEqual(t, "stdout", subject.output("stdout"), "[]")
}

func TestRemoteCommandPlansReplaceForTriggersOnly(t *testing.T) {
	server := startServer(t)
	base := func(extra values) values {
		all := values{"connection": connection(server, nil), "create": text("true"), "triggers": list("one", "two")}
		for name, value := range extra {
			all[name] = value
		}
		return all
	}
	subject := newEngine(t, remoteCommand)
	subject.create(base(nil))
	for name, expected := range map[string]struct {
		change values
		plan   string
	}{
		"nothing":           {values{}, "none"},
		"one trigger":       {values{"triggers": list("one", "three")}, "replace"},
		"one trigger more":  {values{"triggers": list("one", "two", "three")}, "replace"},
		"one trigger less":  {values{"triggers": list("one")}, "replace"},
		"stdin":             {values{"stdin": text("x")}, "update"},
		"the connection":    {values{"connection": connection(server, values{"user": text("another")})}, "update"},
		"the delete script": {values{"delete": text("true")}, "update"},
	} {
		expectEqual(t, name, subject.diff(base(expected.change)), expected.plan)
	}
}

func TestRemoteCommandDoesNothingInPreview(t *testing.T) {
	server := startServer(t)
	subject := newEngine(t, remoteCommand)
	inputs := subject.check(values{"connection": connection(server, nil), "create": text("true")})
	_, err := subject.server.Create(provider.CreateRequest{Urn: subject.urn, Properties: inputs, DryRun: true})
	must(t, err)
	expectEqual(t, "connections", server.connections.Load(), 0)
}

func TestRemoteCommandReadsStdin(t *testing.T) {
	awkward := "a'b\"c$d\\e`f!\n@#% ü 中\n"
	subject := newEngine(t, remoteCommand)
	subject.create(values{"connection": connection(startServer(t), nil), "create": text("cat"), "stdin": text(awkward)})
	expectEqual(t, "stdout", subject.output("stdout"), strings.TrimSuffix(awkward, "\n"))
}

func TestRemoteCommandSecrets(t *testing.T) {
	// Without quotes, which the log of this test would change.
	const password = "correct-horse-$!%"
	for name, expected := range map[string]struct {
		inputs values
		secret bool
	}{
		"only the connection is secret": {values{"create": text("echo printed")}, false},
		"a secret on stdin":             {values{"create": text("cat; echo printed"), "stdin": secret(password)}, true},
		"a secret in the environment":   {values{"create": text("echo printed"), "environment": object(values{"P": secret(password)})}, true},
		"a secret in the command":       {values{"create": secret("echo printed")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t)
			server.acceptsEnvironment = true
			log := captureLog(t)
			expected.inputs["connection"] = connection(server, nil)
			subject := newEngine(t, remoteCommand)
			subject.create(expected.inputs)
			expectEqual(t, "stdout is secret", subject.state.Get("stdout").Secret(), expected.secret)
			expectEqual(t, "stderr is secret", subject.state.Get("stderr").Secret(), expected.secret)
			expectEqual(t, "the connection is secret", subject.state.Get("connection").Secret(), true)
			for _, input := range []string{"create", "stdin"} {
				expectEqual(t, input+" stays as it was", subject.state.Get(input).Secret(), expected.inputs[input].Secret())
			}
			expectEqual(t, "output logged", strings.Contains(log(), "printed"), !expected.secret)
			for _, secret := range []string{password, server.password} {
				if strings.Contains(log(), secret) {
					t.Errorf("the log has %q: %s", secret, log())
				}
			}
		})
	}
}

func TestRemoteCommandFailureSaysWhereAndWhatWithoutSecrets(t *testing.T) {
	server := startServer(t)
	err := newEngine(t, remoteCommand).tryCreate(values{
		"connection": connection(server, nil),
		"create":     text("cat >&2; echo end; exit 3"),
		"stdin":      secret("p'q\"r$s\\t"),
	})
	expectError(t, err, "127.0.0.1:", "status 3", "[secret]", "end", "cat >&2")
	if strings.Contains(err.Error(), "p'q") {
		t.Errorf("the error has the password: %s", err)
	}
}

func TestRemoteCommandLogsWhatLoggingAsksFor(t *testing.T) {
	for logging, expected := range map[string][2]bool{
		"": {true, true}, "stdout": {true, false}, "stderr": {false, true}, "stdoutAndStderr": {true, true}, "none": {false, false},
	} {
		t.Run("logging "+logging, func(t *testing.T) {
			log := captureLog(t)
			inputs := values{"connection": connection(startServer(t), nil), "create": text("printf 'to-out'; echo to-err >&2")}
			if logging != "" {
				inputs["logging"] = text(logging)
			}
			newEngine(t, remoteCommand).create(inputs)
			expectEqual(t, "stdout logged", strings.Contains(log(), "to-out"), expected[0])
			expectEqual(t, "stderr logged", strings.Contains(log(), "to-err"), expected[1])
		})
	}
}

func TestPinnedHostKeyChoosesItsOwnTypeOfKey(t *testing.T) {
	server := startServer(t)
	for keyType, key := range server.publicKeys {
		subject := newEngine(t, remoteCommand)
		if err := subject.tryCreate(values{
			"connection": connection(server, values{"hostKey": text(key)}), "create": text("true"),
		}); err != nil {
			t.Errorf("pinned %s: %s", keyType, err)
		}
	}
}

func TestWrongHostKeyFailsAtOnce(t *testing.T) {
	server, other := startServer(t), startServer(t)
	err := newEngine(t, remoteCommand).tryCreate(values{
		"connection": connection(server, values{"hostKey": text(other.publicKeys["ssh-ed25519"])}), "create": text("true"),
	})
	expectError(t, err, "127.0.0.1:", "which is not the pinned one", "SHA256:")
	expectEqual(t, "dials", server.connections.Load(), 1)
}

func TestHostKeyOfAnotherTypeFailsAtOnce(t *testing.T) {
	server := startServer(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	pinned, err := ssh.NewPublicKey(key.Public())
	must(t, err)
	err = newEngine(t, remoteCommand).tryCreate(values{
		"connection": connection(server, values{"hostKey": text(string(ssh.MarshalAuthorizedKey(pinned)))}), "create": text("true"),
	})
	expectError(t, err, "127.0.0.1:", "no host key of the pinned type", "ecdsa-sha2-nistp256")
	expectEqual(t, "dials", server.connections.Load(), 1)
}

func TestUnreadableHostKeyIsNamed(t *testing.T) {
	server := startServer(t)
	err := newEngine(t, remoteCommand).tryCreate(values{
		"connection": connection(server, values{"hostKey": text("nonsense")}), "create": text("true"),
	})
	expectError(t, err, `hostKey "nonsense" is not a public key`)
	expectEqual(t, "dials", server.connections.Load(), 0)
}

func TestRefusedLoginFailsAtOnce(t *testing.T) {
	for name, login := range map[string]values{
		"password": {"password": secret("wrong")},
		"key":      {"password": property.New(property.Null), "privateKey": secret(newPrivateKey(t))},
	} {
		server := startServer(t)
		err := newEngine(t, remoteCommand).tryCreate(values{"connection": connection(server, login), "create": text("true")})
		expectError(t, err, "127.0.0.1:", `refuses the login of "tester"`)
		expectEqual(t, name+": dials", server.connections.Load(), 1)
	}
}

func TestUnreachableServerIsTriedAsOftenAsAsked(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	dials := 0
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			dials++
			_ = raw.Close()
		}
	}()
	server := &sshServer{port: listener.Addr().(*net.TCPAddr).Port}
	err = newEngine(t, remoteCommand).tryCreate(values{
		"connection": connection(server, values{"dialErrorLimit": property.New(3.0)}), "create": text("true"),
	})
	_ = listener.Close()
	expectError(t, err, "127.0.0.1:")
	expectEqual(t, "dials", dials, 3)
}

func TestSilentServerIsLeftAfterPerDialTimeout(t *testing.T) {
	// The kernel of a frozen server completes the TCP handshake; nobody ever speaks.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	server := &sshServer{port: listener.Addr().(*net.TCPAddr).Port}
	started := time.Now()
	err = newEngine(t, remoteCommand).tryCreate(values{
		"connection": connection(server, values{"dialErrorLimit": property.New(1.0), "perDialTimeout": property.New(1.0)}),
		"create":     text("true"),
	})
	expectError(t, err, "no ssh handshake within 1s")
	if taken := time.Since(started); taken > 3*time.Second {
		t.Errorf("took %s", taken)
	}
}

func TestServerThatComesLateIsWaitedFor(t *testing.T) {
	server := startServer(t)
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := reserved.Addr().String()
	late := &sshServer{port: reserved.Addr().(*net.TCPAddr).Port, password: server.password}
	_ = reserved.Close()
	go func() {
		time.Sleep(700 * time.Millisecond)
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return
		}
		defer listener.Close()
		raw, err := listener.Accept()
		if err != nil {
			return
		}
		target, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", portText(server)))
		if err == nil {
			pipe(raw, target)
		}
	}()
	subject := newEngine(t, remoteCommand)
	subject.create(values{"connection": connection(late, nil), "create": text("echo there")})
	expectEqual(t, "stdout", subject.output("stdout"), "there")
}

func TestTimeoutEndsACommand(t *testing.T) {
	subject := newEngine(t, remoteCommand)
	inputs := subject.check(values{"connection": connection(startServer(t), nil), "create": text("sleep 5")})
	started := time.Now()
	_, err := subject.server.Create(provider.CreateRequest{Urn: subject.urn, Properties: inputs, Timeout: 1})
	expectError(t, err, "stopped")
	if taken := time.Since(started); taken > 3*time.Second {
		t.Errorf("took %s", taken)
	}
}

func TestBastion(t *testing.T) {
	server, bastion := startServer(t), startServer(t)
	bastion.password = "another password"
	proxy := object(values{
		"host": text("127.0.0.1"), "port": property.New(float64(bastion.port)),
		"user": text("jumper"), "password": secret(bastion.password),
		"hostKey": text(bastion.publicKeys["ssh-ed25519"]),
	})
	subject := newEngine(t, remoteCommand)
	subject.create(values{"connection": connection(server, values{"proxy": proxy}), "create": text("echo behind")})
	expectEqual(t, "stdout", subject.output("stdout"), "behind")
	expectEqual(t, "connections through the bastion", bastion.forwarded.Load(), 1)
}

func TestRefusedVariableIsNamed(t *testing.T) {
	err := newEngine(t, remoteCommand).tryCreate(values{
		"connection": connection(startServer(t), nil), "create": text("true"), "environment": object(values{"STAGE": text("1")}),
	})
	expectError(t, err, "STAGE", "AcceptEnv")
}

func TestPreviousOutputIsNoErrorWhereTheServerRefusesIt(t *testing.T) {
	subject := newEngine(t, remoteCommand)
	inputs := values{"connection": connection(startServer(t), nil), "create": text("echo something")}
	subject.create(inputs)
	subject.update(inputs)
}
