package environment

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSecretFromFileKeepsEveryCharacter(t *testing.T) {
	secret := " '\"$`\\@#!% 密 "
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOME_PASSWORD_FILE", file)
	got, err := Secret("SOME_PASSWORD")
	if err != nil || got != secret {
		t.Fatalf("got %q, %v; want %q", got, err, secret)
	}
	t.Setenv("SOME_PASSWORD", "other")
	if _, err := Secret("SOME_PASSWORD"); err == nil {
		t.Fatal("two sources of one secret were accepted")
	}
}

func TestInt(t *testing.T) {
	t.Setenv("LIMIT", "0")
	if _, err := Int("LIMIT", 5); err == nil {
		t.Fatal("0 was accepted")
	}
	t.Setenv("LIMIT", "")
	if value, err := Int("LIMIT", 5); err != nil || value != 5 {
		t.Fatalf("got %d, %v", value, err)
	}
}
