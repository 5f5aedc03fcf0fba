package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// sshServer is a server in this process. It runs commands on this machine and serves sftp and forwarded connections.
type sshServer struct {
	port int
	// Connections that were opened, whether or not a login followed.
	connections atomic.Int32
	// Forwarded connections, as a bastion carries them.
	forwarded atomic.Int32
	password  string
	// Names of the variables it takes, as AcceptEnv does.
	acceptsEnvironment bool
	// Its keys in authorized_keys form, by type.
	publicKeys map[string]string
}

// startServer starts a server with an RSA and an Ed25519 host key, as every distribution's sshd has.
func startServer(t *testing.T) *sshServer {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return startServerWithKeys(t, rsaKey, edKey)
}

func startServerWithKeys(t *testing.T, keys ...any) *sshServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	server := &sshServer{port: listener.Addr().(*net.TCPAddr).Port, password: "the right password", publicKeys: map[string]string{}}
	config := &ssh.ServerConfig{
		PasswordCallback: func(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
			if string(given) != server.password {
				return nil, errors.New("wrong password")
			}
			return nil, nil
		},
	}
	for _, key := range keys {
		signer, err := ssh.NewSignerFromKey(key)
		must(t, err)
		config.AddHostKey(signer)
		server.publicKeys[signer.PublicKey().Type()] = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	}
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			server.connections.Add(1)
			go server.serve(raw, config)
		}
	}()
	return server
}

func (s *sshServer) serve(raw net.Conn, config *ssh.ServerConfig) {
	defer raw.Close()
	_, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offer := range channels {
		switch offer.ChannelType() {
		case "session":
			channel, requests, err := offer.Accept()
			if err != nil {
				return
			}
			go s.session(channel, requests)
		case "direct-tcpip":
			s.forwarded.Add(1)
			go forward(offer)
		default:
			_ = offer.Reject(ssh.UnknownChannelType, "unknown")
		}
	}
}

func (s *sshServer) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	environment := os.Environ()
	for request := range requests {
		switch request.Type {
		case "env":
			var variable struct{ Name, Value string }
			_ = ssh.Unmarshal(request.Payload, &variable)
			environment = append(environment, variable.Name+"="+variable.Value)
			_ = request.Reply(s.acceptsEnvironment, nil)
		case "exec":
			var line struct{ Command string }
			_ = ssh.Unmarshal(request.Payload, &line)
			_ = request.Reply(true, nil)
			child := exec.Command("/bin/sh", "-c", line.Command)
			child.Env, child.Stdin, child.Stdout, child.Stderr = environment, channel, channel, channel.Stderr()
			code := uint32(0)
			if err := child.Run(); err != nil {
				code = 1
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					code = uint32(exit.ExitCode())
				}
			}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{code}))
			return
		case "subsystem":
			_ = request.Reply(true, nil)
			server, err := sftp.NewServer(channel)
			if err == nil {
				_ = server.Serve()
			}
			return
		default:
			_ = request.Reply(false, nil)
		}
	}
}

func forward(offer ssh.NewChannel) {
	var target struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	_ = ssh.Unmarshal(offer.ExtraData(), &target)
	connection, err := net.Dial("tcp", net.JoinHostPort(target.Host, fmt.Sprint(target.Port)))
	if err != nil {
		_ = offer.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, err := offer.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() {
		_, _ = io.Copy(channel, connection)
		_ = channel.Close()
	}()
	_, _ = io.Copy(connection, channel)
	_ = connection.Close()
}

// newPrivateKey returns an RSA key in PEM form, for logins that the server refuses.
func newPrivateKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
