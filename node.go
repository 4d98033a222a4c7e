package teal

import (
	"fmt"
	"strings"
)

// GatewaysOf names the gateways of nodes, of which there is one at least, for people.
func GatewaysOf(nodes []string) string {
	if len(nodes) == 1 {
		return "the gateway of node " + nodes[0]
	}
	return fmt.Sprintf("the gateways of nodes %s and %s", strings.Join(nodes[:len(nodes)-1], ", "), nodes[len(nodes)-1])
}
