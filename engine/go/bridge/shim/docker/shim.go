// Package shim hands out the Docker provider, which is internal to its own module.
package shim

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// New makes the provider.
func New(version string) *schema.Provider { return provider.New(version)() }
