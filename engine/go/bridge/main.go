// Command bridge is three Pulumi provider plugins in one binary: docker, random and tls. Each bridges the Terraform provider
// that the official plugin of the same version bridges. The name it is called under (pulumi-resource-docker, ...) chooses one.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	framework "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
)

// versions is set by the linker: "docker=5.0.0,random=4.21.1,tls=5.5.1", the versions of the npm packages.
var versions = ""

func main() {
	name := strings.TrimPrefix(filepath.Base(os.Args[0]), "pulumi-resource-")
	version, err := versionOf(name)
	if err != nil {
		fail(err)
	}
	info, usesFramework, err := provider(name, version)
	if err != nil {
		fail(err)
	}
	if slices.Contains(os.Args[1:], "-print-schema") {
		if err := printSchema(os.Stdout, info); err != nil {
			fail(err)
		}
		return
	}
	// The engine asks a plugin for its schema only to generate SDKs, which are npm packages here.
	schema, err := json.Marshal(map[string]string{"name": name, "version": version})
	if err != nil {
		fail(err)
	}
	if usesFramework {
		framework.Main(context.Background(), name, info, framework.ProviderMetadata{PackageSchema: schema})
		return
	}
	tfbridge.Main(name, version, info, schema)
}

func versionOf(name string) (string, error) {
	for _, pair := range strings.Split(versions, ",") {
		if plugin, version, found := strings.Cut(pair, "="); found && plugin == name {
			return version, nil
		}
	}
	return "", fmt.Errorf("called as %q, which is none of the plugins in this binary (%s)", filepath.Base(os.Args[0]), versions)
}

func provider(name, version string) (info tfbridge.ProviderInfo, usesFramework bool, err error) {
	switch name {
	case "docker":
		return dockerProvider(version), false, nil
	case "random":
		return randomProvider(version), true, nil
	case "tls":
		return tlsProvider(version), true, nil
	}
	return tfbridge.ProviderInfo{}, false, fmt.Errorf("no provider %q", name)
}

// printSchema writes the package's full schema. A test compares its property names with the npm package's types.
func printSchema(out io.Writer, info tfbridge.ProviderInfo) error {
	silent := diag.DefaultSink(io.Discard, io.Discard, diag.FormatOptions{Color: colors.Never})
	schema, err := tfgen.GenerateSchema(info, silent)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(schema)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
