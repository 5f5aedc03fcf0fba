// Package codegen stands in for a module that cannot be fetched. The bridge's SDK generator names these; a running plugin calls none.
package codegen

import (
	"errors"

	"github.com/hashicorp/hcl/v2"
	"github.com/pulumi/pulumi/pkg/v3/codegen/pcl"
)

// CSharpPackageInfo has the fields that the bridge sets.
type CSharpPackageInfo struct {
	Compatibility                string
	PackageReferences            map[string]string
	Namespaces                   map[string]string
	RootNamespace                string
	DictionaryConstructors       bool
	ProjectReferences            []string
	LiftSingleValueMethodReturns bool
	RespectSchemaVersion         bool
}

// CSharpPropertyInfo has the field that the bridge sets.
type CSharpPropertyInfo struct{ Name string }

// CSharpResourceInfo has the field that the bridge sets.
type CSharpResourceInfo struct{ Name string }

// GenerateProgram is never called by a running plugin.
func GenerateProgram(*pcl.Program) (map[string][]byte, hcl.Diagnostics, error) {
	return nil, nil, errors.New("this build generates no SDKs")
}
