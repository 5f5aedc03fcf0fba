// Package codegen stands in for Pulumi's YAML generator, which module proxies do not serve. The bridge names it in its
// conversion tools; nothing that a running plugin does comes here.
package codegen

import (
	"errors"

	"github.com/hashicorp/hcl/v2"
	"github.com/pulumi/pulumi/pkg/v3/codegen/pcl"
)

// GenerateProgram refuses: this binary writes no YAML.
func GenerateProgram(*pcl.Program) (map[string][]byte, hcl.Diagnostics, error) {
	return nil, nil, errors.New("this build has no YAML generator")
}
