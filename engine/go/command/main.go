// Command pulumi-resource-command is a Pulumi provider plugin that serves the npm package @pulumi/command where its
// official plugin cannot be downloaded. See README.md in this folder for the rules it keeps.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	provider "github.com/pulumi/pulumi-go-provider"
)

// version is set by the linker: the version of the npm package.
var version = "0.0.0"

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if slices.Contains(os.Args[1:], "-print-schema") {
		schema, err := provider.GetSchema(ctx, "command", version, newProvider())
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(schema)
	}
	return provider.RunProvider(ctx, "command", version, newProvider())
}
