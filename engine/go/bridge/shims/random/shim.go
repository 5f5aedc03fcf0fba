// Package shim hands out the random provider, which lies in an internal package of its module.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	random "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// Provider is the upstream Terraform provider for random values.
func Provider() provider.Provider { return random.New() }
