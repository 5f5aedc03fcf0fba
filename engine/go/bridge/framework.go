package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	tls "github.com/hashicorp/terraform-provider-tls/shim"
	random "github.com/terraform-providers/terraform-provider-random/shim"

	pfbridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

func serveRandom(ctx context.Context, version string) {
	serveFramework(ctx, "random", version, random.Provider(), map[string]*tfbridge.ResourceInfo{
		"random_id":       {Tok: "random:index/randomId:RandomId"},
		"random_integer":  {Tok: "random:index/randomInteger:RandomInteger"},
		"random_password": {Tok: "random:index/randomPassword:RandomPassword"},
		"random_pet":      {Tok: "random:index/randomPet:RandomPet"},
		"random_shuffle":  {Tok: "random:index/randomShuffle:RandomShuffle"},
		"random_string":   {Tok: "random:index/randomString:RandomString"},
		"random_uuid":     {Tok: "random:index/randomUuid:RandomUuid"},
	})
}

func serveTLS(ctx context.Context, version string) {
	serveFramework(ctx, "tls", version, tls.Provider(), map[string]*tfbridge.ResourceInfo{
		"tls_private_key":         {Tok: "tls:index/privateKey:PrivateKey"},
		"tls_self_signed_cert":    {Tok: "tls:index/selfSignedCert:SelfSignedCert"},
		"tls_cert_request":        {Tok: "tls:index/certRequest:CertRequest"},
		"tls_locally_signed_cert": {Tok: "tls:index/locallySignedCert:LocallySignedCert"},
	})
}

// serveFramework serves a provider that is built on the plugin framework. Resources and data sources that we do not use are
// left out: random_bytes, for one, would put its bytes in clear as the id.
func serveFramework(ctx context.Context, name, version string, upstream provider.Provider, resources map[string]*tfbridge.ResourceInfo) {
	info := tfbridge.ProviderInfo{
		P:            pfbridge.ShimProvider(upstream),
		Name:         name,
		Version:      version,
		Resources:    resources,
		MetadataInfo: tfbridge.NewProviderMetadata([]byte("{}")),
	}
	for upstreamName, resource := range resources {
		if resource.Tok == tokens.Type("") {
			panic(fmt.Sprintf("%s has no token", upstreamName))
		}
	}
	pfbridge.Main(ctx, name, info, pfbridge.ProviderMetadata{PackageSchema: packageSchema(name, version)})
}

// packageSchema is the least that the bridge accepts: the npm SDKs carry their own types.
func packageSchema(name, version string) []byte {
	return fmt.Appendf(nil, `{"name":%q,"version":%q}`, name, version)
}
