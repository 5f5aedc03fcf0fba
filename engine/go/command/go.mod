module im-suite-ha/engine/command

go 1.25.11

require (
	github.com/gobwas/glob v0.2.3
	github.com/pkg/sftp v1.13.10
	github.com/pulumi/pulumi-go-provider v1.3.0
	github.com/pulumi/pulumi/sdk/v3 v3.217.0
	golang.org/x/crypto v0.54.0
)
