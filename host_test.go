package teal

import (
	"strings"
	"testing"
)

// Each wrong host is told what is wrong with it.
func TestHosts(t *testing.T) {
	for host, want := range map[string]string{
		"shop.example": "", "localhost": "", "10.0.0.7": "", "*.shop.example": "", "a-b.1.example": "", "xn--bcher-kva.example": "", "*.localhost": "",
		"https://shop.example": "is a URL", "shop.example/x": "has a path", "shop.example:80": `has a port; write "shop.example"`, "[::1]:80": "is an IPv6 address", "::1": "is an IPv6 address",
		"bücher.example": "is not ASCII", "Shop.example": `in lower case, "shop.example"`, "*": "would be any host", "*.*.example": "has a * elsewhere", "a*.example": "has a * elsewhere",
		"shop.example.": "ends with a dot", "*.": "ends with a dot", ".example": "has an empty label", "a..b": "has an empty label", "a_b.example": `has the character "_"`, "a b": `has the character " "`,
		"-a.example": "begins or ends with a dash", "a-.example": "begins or ends with a dash", strings.Repeat("a", 64) + ".example": "has a label of 64 characters", strings.Repeat("a.", 127) + "aa": "has 256 characters",
	} {
		err := checkHost(host)
		if got := errorText(err); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %s; want %s", host, got, want)
		}
	}
	for host, want := range map[string]string{"": "", "a.example:80": "has a port", "a.example": "", "*.a.example": "is many hosts", "a.example:x": "has a port", "A": "lower case"} {
		if got := errorText(checkRequestHost(host)); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %s; want %s", host, got, want)
		}
	}
}
