//go:build tools

// Package languagenodejs pins Pulumi's language host for Node: the newest version that is not a nested module of its own, which the
// module proxy refuses.
package languagenodejs

import _ "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"
