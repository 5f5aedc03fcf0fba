package main

import (
	"context"
	"strings"

	"im-suite-ha/engine/command/local"
	"im-suite-ha/engine/command/output"
	"im-suite-ha/engine/command/remote"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

func newProvider() provider.Provider {
	inferred := infer.Provider(infer.Options{
		Resources: []infer.InferredResource{
			infer.Resource(&local.Command{}),
			infer.Resource(&remote.Command{}),
			infer.Resource(&remote.CopyToRemote{}),
		},
		Functions: []infer.InferredFunction{
			infer.Function(&local.Run{}),
		},
	})
	return withSecretsHidden(withTriggersReplacing(inferred))
}

// withTriggersReplacing makes a change inside the list of triggers a replace. The framework sees the tag on `triggers`, but not
// that the changed path is `triggers[0]`.
func withTriggersReplacing(inner provider.Provider) provider.Provider {
	diff := inner.Diff
	inner.Diff = func(ctx context.Context, request provider.DiffRequest) (provider.DiffResponse, error) {
		response, err := diff(ctx, request)
		for path, change := range response.DetailedDiff {
			if path != "triggers" && !strings.HasPrefix(path, "triggers[") {
				continue
			}
			switch change.Kind {
			case provider.Add:
				change.Kind = provider.AddReplace
			case provider.Delete:
				change.Kind = provider.DeleteReplace
			case provider.Update:
				change.Kind = provider.UpdateReplace
			}
			response.DetailedDiff[path] = change
		}
		return response, err
	}
	return inner
}

// withSecretsHidden tells the commands which strings are secret. The framework decodes inputs to plain values, so a command
// could not know; with this, neither its log nor its error message repeats one.
func withSecretsHidden(inner provider.Provider) provider.Provider {
	create, update, remove, invoke := inner.Create, inner.Update, inner.Delete, inner.Invoke
	inner.Create = func(ctx context.Context, request provider.CreateRequest) (provider.CreateResponse, error) {
		return create(output.WithSecrets(ctx, request.Properties), request)
	}
	inner.Update = func(ctx context.Context, request provider.UpdateRequest) (provider.UpdateResponse, error) {
		return update(output.WithSecrets(ctx, request.State, request.Inputs), request)
	}
	inner.Delete = func(ctx context.Context, request provider.DeleteRequest) error {
		return remove(output.WithSecrets(ctx, request.Properties), request)
	}
	inner.Invoke = func(ctx context.Context, request provider.InvokeRequest) (provider.InvokeResponse, error) {
		return invoke(output.WithSecrets(ctx, request.Args), request)
	}
	return inner
}
