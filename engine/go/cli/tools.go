//go:build tools

// Package cli pins the Pulumi command line: the go tool builds github.com/pulumi/pulumi/pkg/v3/cmd/pulumi at the version in go.mod.
package cli

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
