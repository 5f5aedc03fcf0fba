package output

import (
	"context"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// hidden stands where a secret was.
const hidden = "[secret]"

// Shorter secrets are not searched for: hiding every "1", or every "done" of a script on stdin, would make a log unreadable.
const (
	shortestSecret = 4
	shortestLine   = 8
)

// credentials are the secrets of a connection. The npm package marks the whole connection as secret, but an error
// without the server's address would be of no use.
var credentials = []string{"password", "privateKey", "privateKeyPassword"}

type secretsKey struct{}

// secrets are what a command was given that must not be repeated.
type secrets struct {
	texts []string
	// Whether anything but the connection's credentials is secret: then a command can print what was made of it, or
	// an older secret that it found on the server, which no search would find.
	mayBePrinted bool
}

// WithSecrets remembers every string that is marked as secret in the given properties.
func WithSecrets(ctx context.Context, properties ...property.Map) context.Context {
	found := &secrets{}
	for _, one := range properties {
		found.collect(property.New(one), false)
	}
	// Longest first: a secret that contains another must not leave its ends behind.
	slices.SortFunc(found.texts, func(a, b string) int { return len(b) - len(a) })
	return context.WithValue(ctx, secretsKey{}, found)
}

// mayPrintSecrets says whether what a command prints must stay out of the log.
func mayPrintSecrets(ctx context.Context) bool {
	known, _ := ctx.Value(secretsKey{}).(*secrets)
	return known != nil && known.mayBePrinted
}

// HideSecrets replaces the secrets that ctx knows in a text.
func HideSecrets(ctx context.Context, text string) string {
	known, _ := ctx.Value(secretsKey{}).(*secrets)
	if known == nil {
		return text
	}
	for _, secret := range known.texts {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	return text
}

func (s *secrets) collect(value property.Value, secret bool) {
	secret = secret || value.Secret()
	s.mayBePrinted = s.mayBePrinted || secret
	switch {
	case value.IsString():
		if !secret {
			return
		}
		s.add(value.AsString())
	case value.IsMap():
		for key, element := range value.AsMap().All {
			if key == "connection" && element.IsMap() {
				s.collectCredentials(element.AsMap())
			} else {
				s.collect(element, secret)
			}
		}
	case value.IsArray():
		for _, element := range value.AsArray().All {
			s.collect(element, secret)
		}
	}
}

func (s *secrets) collectCredentials(connection property.Map) {
	for _, key := range credentials {
		if value := connection.Get(key); value.IsString() {
			s.add(value.AsString())
		}
	}
	if proxy := connection.Get("proxy"); proxy.IsMap() {
		s.collectCredentials(proxy.AsMap())
	}
}

// add takes a secret whole and line by line: output comes in lines, and programs quote single lines of what they were given.
func (s *secrets) add(text string) {
	if whole := strings.TrimSpace(text); len(whole) >= shortestSecret {
		s.texts = append(s.texts, whole)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); len(line) >= shortestLine {
			s.texts = append(s.texts, line)
		}
	}
}
