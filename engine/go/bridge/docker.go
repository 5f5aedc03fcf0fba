package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/terraform-providers/terraform-provider-docker/shim"
)

func dockerProvider(version string) tfbridge.ProviderInfo {
	const pkg = "docker"

	container := resource(pkg, "Container")
	// Two containers can have neither one name nor one published port.
	container.DeleteBeforeReplace = true
	container.Fields = map[string]*tfbridge.SchemaInfo{
		// The bridge makes plurals of lists; the npm package keeps these two.
		"command":           {Name: "command"},
		"networks_advanced": {Name: "networksAdvanced"},
	}

	image := resource(pkg, "RemoteImage")
	// A reference in a registry: never a name to be made up.
	image.Fields = map[string]*tfbridge.SchemaInfo{"name": {Name: "name"}}

	info := tfbridge.ProviderInfo{
		Name:         pkg,
		DisplayName:  "Docker",
		Version:      version,
		License:      "Apache-2.0",
		P:            sdkv2.NewProvider(shim.New(version)),
		MetadataInfo: tfbridge.NewProviderMetadata([]byte("{}")),
		Config: map[string]*tfbridge.SchemaInfo{
			"host": {Default: &tfbridge.DefaultInfo{
				Value:   "unix:///var/run/docker.sock",
				EnvVars: []string{"DOCKER_HOST"},
			}},
			"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			"docker_buildx_builder": resource(pkg, "BuildxBuilder"),
			"docker_config":         resource(pkg, "ServiceConfig"),
			"docker_container":      container,
			"docker_image":          image,
			"docker_network":        resource(pkg, "Network"),
			"docker_plugin":         resource(pkg, "Plugin"),
			"docker_registry_image": resource(pkg, "RegistryImage"),
			"docker_secret":         resource(pkg, "Secret"),
			"docker_service":        resource(pkg, "Service"),
			"docker_tag":            resource(pkg, "Tag"),
			"docker_volume":         resource(pkg, "Volume"),
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"docker_image":                    dataSource(pkg, "getRemoteImage"),
			"docker_logs":                     dataSource(pkg, "getLogs"),
			"docker_network":                  dataSource(pkg, "getNetwork"),
			"docker_plugin":                   dataSource(pkg, "getPlugin"),
			"docker_registry_image":           dataSource(pkg, "getRegistryImage"),
			"docker_registry_image_manifests": dataSource(pkg, "getRegistryImageManifests"),
		},
	}
	info.SetAutonaming(255, "-")
	return info
}
