package importer

import (
	"strings"
	"unicode"

	"teal"
)

// variableName turns what stands for something into the name of a variable:
// OrdersTable.Arn is ORDERS_TABLE_ARN.
func variableName(text string) string {
	var b strings.Builder
	before := '_'
	for _, c := range text {
		switch {
		case c > 0x7f || !unicode.IsLetter(c) && !unicode.IsDigit(c):
			c = '_'
		case unicode.IsUpper(c) && (unicode.IsLower(before) || unicode.IsDigit(before)):
			b.WriteByte('_')
		}
		if c != '_' || before != '_' {
			b.WriteRune(unicode.ToUpper(c))
		}
		before = c
	}
	name := strings.Trim(b.String(), "_")
	switch {
	case name == "":
		return "VALUE"
	case unicode.IsDigit(rune(name[0])):
		return "VALUE_" + name
	}
	return name[:min(len(name), 100)]
}

// names gives components names that Teal takes.
type names struct {
	given map[string]bool // their address variables
}

// of returns the name of a component: the one of the source as far as possible.
func (n *names) of(source string) string {
	if n.given == nil {
		n.given = map[string]bool{}
	}
	base := strings.Map(func(c rune) rune {
		if c < 0x80 && (unicode.IsLetter(c) || unicode.IsDigit(c) || c == '-' || c == '_') {
			return c
		}
		return '-'
	}, source)
	base = strings.TrimLeft(base, "-")
	if base == "" {
		base = "function"
	}
	base = base[:min(len(base), teal.MaxNameLength-4)]
	name := base
	for suffix := 'b'; n.given[teal.AddressVariable(name)] && suffix <= 'z'; suffix++ {
		name = base + "-" + string(suffix)
	}
	n.given[teal.AddressVariable(name)] = true
	return name
}

// appName turns a name into one for an app; "" where nothing of it can be used.
func appName(text string) string {
	name := strings.Map(func(c rune) rune {
		if c < 0x80 && (unicode.IsLetter(c) || unicode.IsDigit(c) || c == '-' || c == '_') {
			return c
		}
		return '-'
	}, text)
	name = strings.Trim(name, "-")
	if teal.CheckName("app", name) != nil {
		return ""
	}
	return name
}
