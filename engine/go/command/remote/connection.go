package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Endpoint is how one ssh server is reached. The names are those of @pulumi/command.
type Endpoint struct {
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional" provider:"secret"`
	Host               string   `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	PrivateKey         *string  `pulumi:"privateKey,optional" provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
}

// Annotate sets the defaults of @pulumi/command.
func (e *Endpoint) Annotate(a infer.Annotator) {
	a.SetDefault(&e.User, "root")
	a.SetDefault(&e.Port, 22)
	a.SetDefault(&e.DialErrorLimit, 10)
	a.SetDefault(&e.PerDialTimeout, 15)
}

// ProxyConnection is a bastion between here and the server.
type ProxyConnection struct{ Endpoint }

// Connection is how a server is reached, perhaps through a bastion.
type Connection struct {
	Endpoint
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

// permanent is an error that no retry can mend: a wrong host key, a refused login.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// dial connects, through the bastion when there is one. Closing the client closes the bastion's connection too.
func (c *Connection) dial(ctx context.Context) (*ssh.Client, error) {
	if c.Proxy == nil {
		return c.Endpoint.dial(ctx, (&net.Dialer{}).DialContext)
	}
	bastion, err := c.Proxy.Endpoint.dial(ctx, (&net.Dialer{}).DialContext)
	if err != nil {
		return nil, fmt.Errorf("bastion: %w", err)
	}
	client, err := c.Endpoint.dial(ctx, bastion.DialContext)
	if err != nil {
		_ = bastion.Close()
		return nil, err
	}
	go func() {
		_ = client.Wait()
		_ = bastion.Close()
	}()
	return client, nil
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// dial tries until it succeeds, the limit of errors is reached, or the error is permanent.
func (e *Endpoint) dial(ctx context.Context, dialNetwork dialer) (*ssh.Client, error) {
	config, err := e.clientConfig()
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(e.Host, strconv.Itoa(int(valueOr(e.Port, 22))))
	limit := valueOr(e.DialErrorLimit, 10)
	delay := time.Second
	for failures := 0; ; {
		client, err := e.dialOnce(ctx, dialNetwork, address, config)
		if err == nil {
			return client, nil
		}
		var final permanent
		if errors.As(err, &final) {
			return nil, fmt.Errorf("%s: %w", address, err)
		}
		failures++
		if limit >= 0 && failures > limit {
			return nil, fmt.Errorf("%s: no connection after %d tries: %w", address, failures, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", address, ctx.Err())
		case <-time.After(delay):
		}
		delay = min(delay*2, 15*time.Second)
	}
}

func (e *Endpoint) dialOnce(ctx context.Context, dialNetwork dialer, address string, config *ssh.ClientConfig) (*ssh.Client, error) {
	if limit := valueOr(e.PerDialTimeout, 15); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(limit)*time.Second)
		defer cancel()
	}
	connection, err := dialNetwork(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// A server that accepts and then says nothing (a paused machine) must not hold us: the handshake is bounded too.
	if deadline, ok := ctx.Deadline(); ok {
		_ = connection.SetDeadline(deadline)
	}
	sshConnection, channels, requests, err := ssh.NewClientConn(connection, address, config)
	if err != nil {
		_ = connection.Close()
		return nil, classify(err)
	}
	_ = connection.SetDeadline(time.Time{})
	return ssh.NewClient(sshConnection, channels, requests), nil
}

// classify tells errors that a retry may mend from those that it cannot.
func classify(err error) error {
	var mismatch hostKeyMismatch
	switch {
	case errors.As(err, &mismatch):
		return permanent{mismatch}
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		return permanent{errors.New("the server has no host key of the pinned type (hostKey); it may have been reinstalled")}
	case strings.Contains(err.Error(), "unable to authenticate"):
		return permanent{errors.New("the server does not accept this login (user, privateKey or password)")}
	default:
		return err
	}
}

type hostKeyMismatch struct{ got, want string }

func (m hostKeyMismatch) Error() string {
	return fmt.Sprintf("the server shows the host key %s, pinned is %s (hostKey); if it was not reinstalled, somebody may be in between", m.got, m.want)
}

func (e *Endpoint) clientConfig() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{User: valueOr(e.User, "root")}
	if err := e.pinHostKey(config); err != nil {
		return nil, err
	}
	if e.PrivateKey != nil {
		signer, err := parseKey(*e.PrivateKey, e.PrivateKeyPassword)
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*e.Password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for index := range questions {
					answers[index] = *e.Password
				}
				return answers, nil
			}))
	}
	socket := valueOr(e.AgentSocketPath, os.Getenv("SSH_AUTH_SOCK"))
	if socket != "" && (e.AgentSocketPath != nil || len(config.Auth) == 0) {
		connection, err := net.Dial("unix", socket)
		if err != nil {
			return nil, fmt.Errorf("the ssh agent at %s does not answer: %w", socket, err)
		}
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(connection).Signers))
	}
	return config, nil
}

// pinHostKey accepts exactly the given key and offers only its type, so that a server with several keys shows the pinned one.
func (e *Endpoint) pinHostKey(config *ssh.ClientConfig) error {
	if e.HostKey == nil || *e.HostKey == "" {
		config.HostKeyCallback = ssh.InsecureIgnoreHostKey()
		return nil
	}
	pinned, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
	if err != nil {
		return fmt.Errorf("hostKey is not a public key: %w", err)
	}
	config.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		if string(key.Marshal()) == string(pinned.Marshal()) {
			return nil
		}
		return hostKeyMismatch{got: ssh.FingerprintSHA256(key), want: ssh.FingerprintSHA256(pinned)}
	}
	config.HostKeyAlgorithms = []string{pinned.Type()}
	if pinned.Type() == ssh.KeyAlgoRSA {
		// Current servers sign with an RSA key only in these two ways.
		config.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return nil
}

func parseKey(text string, password *string) (ssh.Signer, error) {
	var signer ssh.Signer
	var err error
	if password != nil {
		signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(text), []byte(*password))
	} else {
		signer, err = ssh.ParsePrivateKey([]byte(text))
	}
	if err != nil {
		return nil, fmt.Errorf("privateKey cannot be read: %w", err)
	}
	return signer, nil
}

func valueOr[T any](pointer *T, otherwise T) T {
	if pointer == nil {
		return otherwise
	}
	return *pointer
}
