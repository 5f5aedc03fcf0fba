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

// WithSecrets remembers every string that is marked as secret in the given properties.
func WithSecrets(ctx context.Context, properties ...property.Map) context.Context {
	var found []string
	for _, one := range properties {
		collect(property.New(one), false, &found)
	}
	// Longest first: a secret that contains another must not leave its ends behind.
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	return context.WithValue(ctx, secretsKey{}, found)
}

// HideSecrets replaces the secrets that ctx knows in a text.
func HideSecrets(ctx context.Context, text string) string {
	secrets, _ := ctx.Value(secretsKey{}).([]string)
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	return text
}

func collect(value property.Value, secret bool, found *[]string) {
	secret = secret || value.Secret()
	switch {
	case value.IsString():
		if !secret {
			return
		}
		// Output comes line by line, and programs quote single lines of what they were given.
		if whole := strings.TrimSpace(value.AsString()); len(whole) >= shortestSecret {
			*found = append(*found, whole)
		}
		for line := range strings.SplitSeq(value.AsString(), "\n") {
			if line = strings.TrimSpace(line); len(line) >= shortestLine {
				*found = append(*found, line)
			}
		}
	case value.IsMap():
		for key, element := range value.AsMap().All {
			if key == "connection" && element.IsMap() {
				collectCredentials(element.AsMap(), found)
			} else {
				collect(element, secret, found)
			}
		}
	case value.IsArray():
		for _, element := range value.AsArray().All {
			collect(element, secret, found)
		}
	}
}

func collectCredentials(connection property.Map, found *[]string) {
	for _, key := range credentials {
		collect(connection.Get(key), true, found)
	}
	if proxy := connection.Get("proxy"); proxy.IsMap() {
		collectCredentials(proxy.AsMap(), found)
	}
}
