package local

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gobwas/glob"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// findAssets returns the files below a directory that the patterns choose, by their path from it. Patterns apply in order;
// one that begins with "!" takes files out again. "*" stops at a slash, "**" does not.
func findAssets(directory string, patterns []string) (map[string]types.AssetOrArchive, error) {
	type rule struct {
		glob    glob.Glob
		exclude bool
	}
	rules := make([]rule, 0, len(patterns))
	for _, pattern := range patterns {
		text, exclude := strings.CutPrefix(pattern, "!")
		compiled, err := glob.Compile(text, '/')
		if err != nil {
			return nil, fmt.Errorf("the pattern %q: %w", pattern, err)
		}
		rules = append(rules, rule{compiled, exclude})
	}
	assets := map[string]types.AssetOrArchive{}
	err := fs.WalkDir(os.DirFS(directory), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		chosen := false
		for _, rule := range rules {
			if rule.glob.Match(path) {
				chosen = !rule.exclude
			}
		}
		if !chosen {
			return nil
		}
		asset, err := resource.NewPathAsset(filepath.Join(directory, path))
		assets[path] = types.AssetOrArchive{Asset: asset}
		return err
	})
	return assets, err
}

func archive(directory string, patterns []string) (*resource.Archive, error) {
	assets, err := findAssets(directory, patterns)
	if err != nil {
		return nil, err
	}
	content := make(map[string]any, len(assets))
	for path, asset := range assets {
		content[path] = asset.Asset
	}
	return resource.NewAssetArchive(content)
}
