package main

import (
	"github.com/hashicorp/terraform-provider-tls/shim"
	framework "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
)

func tlsProvider(version string) tfbridge.ProviderInfo {
	const pkg = "tls"
	return tfbridge.ProviderInfo{
		Name:         pkg,
		DisplayName:  "tls",
		Version:      version,
		License:      "Apache-2.0",
		P:            framework.ShimProvider(shim.New()),
		MetadataInfo: tfbridge.NewProviderMetadata([]byte("{}")),
		Resources: map[string]*tfbridge.ResourceInfo{
			"tls_cert_request":        resource(pkg, "CertRequest"),
			"tls_locally_signed_cert": resource(pkg, "LocallySignedCert"),
			"tls_private_key":         resource(pkg, "PrivateKey"),
			"tls_self_signed_cert":    resource(pkg, "SelfSignedCert"),
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"tls_certificate": dataSource(pkg, "getCertificate"),
			"tls_public_key":  dataSource(pkg, "getPublicKey"),
		},
	}
}
