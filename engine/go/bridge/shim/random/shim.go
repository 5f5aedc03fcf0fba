// Package shim hands out the random provider, which is internal to its own module.
package shim

import (
	framework "github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// New makes the provider.
func New() framework.Provider { return provider.New() }
