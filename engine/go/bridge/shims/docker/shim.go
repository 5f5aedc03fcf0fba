// Package shim hands out the docker provider, which lies in an internal package of its module.
package shim

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// Provider is the upstream Terraform provider for Docker.
func Provider(version string) *schema.Provider { return provider.New(version)() }
