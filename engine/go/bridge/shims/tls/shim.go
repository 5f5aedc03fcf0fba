// Package shim hands out the tls provider, which lies in an internal package of its module.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	tls "github.com/hashicorp/terraform-provider-tls/internal/provider"
)

// Provider is the upstream Terraform provider for keys and certificates.
func Provider() provider.Provider { return tls.New() }
