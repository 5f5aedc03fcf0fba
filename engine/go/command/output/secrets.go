package output

import (
	"context"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// hidden stands where a secret was.
const hidden = "[secret]"

// shortest is the length below which a secret is not searched for: hiding every "1" would make a log unreadable.
const shortest = 4

type secretsKey struct{}

// WithSecrets remembers every string that is marked as secret in the given properties.
func WithSecrets(ctx context.Context, properties ...property.Map) context.Context {
	var found []string
	for _, one := range properties {
		collect(property.New(one), false, &found)
	}
	// Longest first: a secret that contains another must not leave its ends behind.
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	return context.WithValue(ctx, secretsKey{}, slices.Compact(found))
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
		for _, line := range append(strings.Split(value.AsString(), "\n"), value.AsString()) {
			if line = strings.TrimSpace(line); len(line) >= shortest {
				*found = append(*found, line)
			}
		}
	case value.IsMap():
		for _, element := range value.AsMap().All {
			collect(element, secret, found)
		}
	case value.IsArray():
		for _, element := range value.AsArray().All {
			collect(element, secret, found)
		}
	}
}
