package main

import (
	"strings"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// resource names a resource type as the official packages do: docker:index/remoteImage:RemoteImage.
func resource(pkg, name string) *tfbridge.ResourceInfo {
	return &tfbridge.ResourceInfo{Tok: tokens.Type(member(pkg, name))}
}

// dataSource names a function: docker:index/getNetwork:getNetwork.
func dataSource(pkg, name string) *tfbridge.DataSourceInfo {
	return &tfbridge.DataSourceInfo{Tok: member(pkg, name)}
}

func member(pkg, name string) tokens.ModuleMember {
	file := strings.ToLower(name[:1]) + name[1:]
	return tokens.ModuleMember(pkg + ":index/" + file + ":" + name)
}
