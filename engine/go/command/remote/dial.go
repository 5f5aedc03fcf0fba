package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

const (
	firstPause = 250 * time.Millisecond
	longPause  = 5 * time.Second
	// A server that is silent for this long, although the connection stands, is taken for dead.
	silenceLimit = 60 * time.Second
)

// finalError is an error that another try cannot change: a wrong host key, a refused login.
type finalError struct{ message string }

func (e *finalError) Error() string { return e.message }

// hostKeyError says that the server is not the one that was pinned. It passes through the ssh handshake.
type hostKeyError struct{ shown string }

func (e *hostKeyError) Error() string { return "the server shows the host key " + e.shown }

// dial opens a connection. Errors that may pass (a server that still boots) are tried again until dialErrorLimit dials have
// failed (-1: until ctx ends). The wrong host key or a refused login fails at once: trying it again ten times helps nobody and
// may lock the account.
func (c *Connection) dial(ctx context.Context) (*ssh.Client, error) {
	if c.Proxy == nil {
		return dialRepeatedly(ctx, &c.Endpoint, (&net.Dialer{}).DialContext)
	}
	bastion, err := dialRepeatedly(ctx, &c.Proxy.Endpoint, (&net.Dialer{}).DialContext)
	if err != nil {
		return nil, fmt.Errorf("the bastion: %w", err)
	}
	client, err := dialRepeatedly(ctx, &c.Endpoint, bastion.DialContext)
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

type dialFunction func(ctx context.Context, network, address string) (net.Conn, error)

func dialRepeatedly(ctx context.Context, endpoint *Endpoint, dialer dialFunction) (*ssh.Client, error) {
	config, err := endpoint.clientConfig()
	if err != nil {
		return nil, err
	}
	limit := valueOr(endpoint.DialErrorLimit, 10)
	pause := firstPause
	for failed := 1; ; failed++ {
		client, err := dialOnce(ctx, endpoint, config, dialer)
		if err == nil {
			go watch(client)
			return client, nil
		}
		err = endpoint.explain(err)
		var final *finalError
		if errors.As(err, &final) || (limit >= 0 && failed >= max(limit, 1)) {
			return nil, err
		}
		provider.GetLogger(ctx).InfoStatusf("Dial %d of %s failed, trying again: %s", failed, endpoint.address(), err)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (stopped after %d dials: %w)", err, failed, ctx.Err())
		case <-time.After(pause):
		}
		pause = min(pause*3/2, longPause)
	}
}

func dialOnce(ctx context.Context, endpoint *Endpoint, config *ssh.ClientConfig, dialer dialFunction) (*ssh.Client, error) {
	limit := time.Duration(valueOr(endpoint.PerDialTimeout, 15)) * time.Second
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	raw, err := dialer(ctx, "tcp", endpoint.address())
	if err != nil {
		return nil, err
	}
	// The limit holds for the handshake too: the kernel of a frozen server still takes connections. Closing works on every
	// kind of connection; a deadline does not on one that runs through a bastion.
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	connection, channels, requests, err := ssh.NewClientConn(raw, endpoint.address(), config)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("no ssh handshake within %s: %w", limit, err)
		}
		return nil, err
	}
	return ssh.NewClient(connection, channels, requests), nil
}

// watch closes a connection whose other side has gone silent. Without it a command on a server that lost its power would
// wait for ever.
func watch(client *ssh.Client) {
	for {
		answered := make(chan error, 1)
		go func() {
			_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err
		}()
		select {
		case err := <-answered:
			if err != nil {
				return
			}
		case <-time.After(silenceLimit):
			_ = client.Close()
			return
		}
		time.Sleep(silenceLimit / 4)
	}
}

func (e *Endpoint) clientConfig() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{User: e.user(), HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	if e.HostKey != nil && *e.HostKey != "" {
		pinned, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
		if err != nil {
			return nil, fmt.Errorf("%s: hostKey %q is not a public key. Expected a type and a key, as in: ssh-ed25519 AAAA...", e.address(), *e.HostKey)
		}
		config.HostKeyCallback = func(_ string, _ net.Addr, shown ssh.PublicKey) error {
			if !bytes.Equal(shown.Marshal(), pinned.Marshal()) {
				return &hostKeyError{shown: ssh.FingerprintSHA256(shown)}
			}
			return nil
		}
		// A server has several host keys and would choose one of another type, which never equals the pinned one.
		config.HostKeyAlgorithms = signatures(pinned.Type())
	}
	var err error
	config.Auth, err = e.authentication()
	return config, err
}

func signatures(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// authentication offers the private key, then the password. An agent takes part where its socket is named, or, without a
// private key, where SSH_AUTH_SOCK names one: the many keys of an agent would use up the server's tries.
func (e *Endpoint) authentication() ([]ssh.AuthMethod, error) {
	var methods []ssh.AuthMethod
	var signers []ssh.Signer
	if e.PrivateKey != nil && *e.PrivateKey != "" {
		signer, err := parseKey(*e.PrivateKey, valueOr(e.PrivateKeyPassword, ""))
		if err != nil {
			return nil, fmt.Errorf("%s: the private key cannot be read: %w", e.address(), err)
		}
		signers = append(signers, signer)
	}
	keys, err := e.agentKeys(len(signers) > 0)
	if err != nil {
		return nil, err
	}
	if keys != nil || len(signers) > 0 {
		methods = append(methods, ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			if keys == nil {
				return signers, nil
			}
			held, err := keys()
			return append(append([]ssh.Signer{}, signers...), held...), err
		}))
	}
	if e.Password != nil {
		password := *e.Password
		methods = append(methods, ssh.Password(password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = password
				}
				return answers, nil
			}))
	}
	return methods, nil
}

func (e *Endpoint) agentKeys(hasKey bool) (func() ([]ssh.Signer, error), error) {
	path := valueOr(e.AgentSocketPath, "")
	if path == "" && !hasKey {
		path = os.Getenv("SSH_AUTH_SOCK")
	}
	if path == "" {
		return nil, nil
	}
	connection, err := net.Dial("unix", path)
	if err != nil {
		// A left-over variable must not stop a login by password.
		if e.AgentSocketPath == nil && e.Password != nil {
			return nil, nil
		}
		return nil, fmt.Errorf("%s: the ssh agent at %s does not answer: %w", e.address(), path, err)
	}
	return agent.NewClient(connection).Signers, nil
}

func parseKey(key, passphrase string) (ssh.Signer, error) {
	if passphrase != "" {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(key), []byte(passphrase))
	}
	return ssh.ParsePrivateKey([]byte(key))
}

// explain puts the address before an error, and turns those that another try cannot change into one sentence.
func (e *Endpoint) explain(err error) error {
	var wrongKey *hostKeyError
	var noCommon *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(err, &wrongKey):
		return &finalError{fmt.Sprintf("%s: %s, which is not the pinned one. "+
			"If the server was reinstalled, check its new key by another way and write it down; if not, somebody may be in between.",
			e.address(), wrongKey)}
	case errors.As(err, &noCommon) && strings.Contains(noCommon.What, "host key"):
		return &finalError{fmt.Sprintf("%s: the server has no host key of the pinned type (%s; it offers %s).",
			e.address(), strings.Fields(*e.HostKey)[0], strings.Join(noCommon.RequestedAlgorithms, ", "))}
	case strings.Contains(err.Error(), "unable to authenticate"):
		return &finalError{fmt.Sprintf("%s: the server refuses the login of %q with the given key or password (%s).",
			e.address(), e.user(), attempted(err))}
	}
	return fmt.Errorf("%s: %w", e.address(), err)
}

func attempted(err error) string {
	_, rest, _ := strings.Cut(err.Error(), "unable to authenticate, ")
	return strings.TrimSpace(rest)
}
