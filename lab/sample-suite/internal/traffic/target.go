// Package traffic is the load of many people who chat: writes at a steady rate, reads beside them, and an attachment now
// and then. Every acknowledged write goes into the log.
package traffic

import (
	"fmt"
	"net/netip"
	"net/url"
)

// The lab's own addresses. A load generator that can be pointed anywhere will one day be pointed at production.
var allowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("198.18.0.0/24")}

// CheckTarget accepts a URL like http://198.18.0.11:8080 whose host is an address of the lab.
func CheckTarget(target string) error {
	parsed, err := url.Parse(target)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Path != "" || parsed.RawQuery != "" {
		return fmt.Errorf("the target %q is not like http://198.18.0.11:8080", target)
	}
	return CheckAddress(parsed.Hostname())
}

// CheckAddress accepts an address of the lab or of this machine. Names are refused: what they mean can change.
func CheckAddress(host string) error {
	address, err := netip.ParseAddr(host)
	if err == nil {
		for _, prefix := range allowed {
			if prefix.Contains(address) {
				return nil
			}
		}
	}
	return fmt.Errorf("%q is not an address of the lab: expected one in 127.0.0.0/8 or 198.18.0.0/24", host)
}
