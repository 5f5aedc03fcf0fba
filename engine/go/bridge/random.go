package main

import (
	framework "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/terraform-providers/terraform-provider-random/shim"
)

// randomProvider leaves out RandomBytes: its only possible id is its secret value, in clear.
func randomProvider(version string) tfbridge.ProviderInfo {
	const pkg = "random"
	return tfbridge.ProviderInfo{
		Name:           pkg,
		DisplayName:    "random",
		Version:        version,
		License:        "Apache-2.0",
		P:              framework.ShimProvider(shim.New()),
		MetadataInfo:   tfbridge.NewProviderMetadata([]byte("{}")),
		IgnoreMappings: []string{"random_bytes"},
		Resources: map[string]*tfbridge.ResourceInfo{
			"random_id":       resource(pkg, "RandomId"),
			"random_integer":  resource(pkg, "RandomInteger"),
			"random_password": resource(pkg, "RandomPassword"),
			"random_pet":      resource(pkg, "RandomPet"),
			"random_shuffle":  resource(pkg, "RandomShuffle"),
			"random_string":   resource(pkg, "RandomString"),
			"random_uuid":     resource(pkg, "RandomUuid"),
			"random_uuid4":    resource(pkg, "RandomUuid4"),
			"random_uuid7":    resource(pkg, "RandomUuid7"),
		},
	}
}
