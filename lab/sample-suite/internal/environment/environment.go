// Package environment reads settings from environment variables. A secret may also lie in a file that NAME_FILE
// names, as the official images of databases do it.
package environment

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// String returns the variable's value, or the fallback when it is unset or empty.
func String(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// Int returns the variable's value as a whole number of at least 1, or the fallback when it is unset or empty.
func Int(name string, fallback int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return fallback, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 {
		return 0, fmt.Errorf("%s is %q, expected a whole number of at least 1", name, text)
	}
	return value, nil
}

// Secret returns the content of the file that NAME_FILE names, else the variable NAME, else "". One line feed at the
// file's end is dropped, because editors add it; every other character, blanks included, belongs to the secret.
func Secret(name string) (string, error) {
	file := os.Getenv(name + "_FILE")
	if file == "" {
		return os.Getenv(name), nil
	}
	if os.Getenv(name) != "" {
		return "", fmt.Errorf("both %s and %s_FILE are set, expected one of them", name, name)
	}
	return SecretFile(file)
}

// SecretFile reads a secret from a file, as Secret does.
func SecretFile(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), nil
}
