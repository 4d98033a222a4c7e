package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds that keep hostile files cheap. The YAML parser recurses with depth and
// takes quadratic time in the number of keys of a mapping; aliases multiply.
const (
	maxTokens = 200_000
	maxKeys   = 10_000
	maxDepth  = 100
	maxValues = 50_000 // after aliases and merge keys
)

// readYAML returns the one document in data as a tree, or nil after reporting
// why there is none.
func readYAML(f *findings, data []byte) *node {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	switch {
	case len(data) > maxSize:
		f.addf(position{1, 1}, nil, "the file is larger than 1 MiB; a manifest holds configuration, not data")
		return nil
	case !checkText(f, data):
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if !checkTokens(f, tokens) {
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		reportSyntax(f, err)
		return nil
	}
	body := soleDocument(f, file)
	if body == nil {
		return nil
	}
	r := &yamlReader{findings: f, anchors: map[string]*node{}}
	root := r.read(body, nil)
	if r.exploded {
		return nil
	}
	return root
}

// checkText refuses what is not text in UTF-8.
func checkText(f *findings, data []byte) bool {
	line, column := 1, 1
	for rest := data; len(rest) > 0; column++ {
		c, size := utf8.DecodeRune(rest)
		switch {
		case c == utf8.RuneError && size == 1:
			f.addf(position{line, column}, nil, "the byte %#x is not UTF-8; save the file as UTF-8", rest[0])
			return false
		case c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f:
			f.addf(position{line, column}, nil, "the control character %#x is not allowed in YAML; remove it", c)
			return false
		case c == '\n':
			line, column = line+1, 0
		}
		rest = rest[size:]
	}
	return true
}

// checkTokens refuses what would cost the parser too much.
func checkTokens(f *findings, tokens token.Tokens) bool {
	keys, flow, line, inLine := 0, 0, 0, 0
	for _, t := range tokens {
		at := tokenPosition(t)
		if at.line != line {
			line, inLine = at.line, 0
		}
		switch t.Type {
		case token.MappingValueType:
			keys++
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			inLine++
		}
		switch {
		case flow > maxDepth || inLine > maxDepth:
			f.addf(at, nil, "values are nested more than %d deep; a manifest needs less than ten", maxDepth)
			return false
		case keys > maxKeys:
			f.addf(at, nil, "the file has more than %d keys; a manifest holds configuration, not data", maxKeys)
			return false
		}
	}
	if len(tokens) > maxTokens {
		f.addf(tokenPosition(tokens[maxTokens]), nil, "the file has more than %d values; a manifest holds configuration, not data", maxTokens)
		return false
	}
	return true
}

// parseTokens turns a panic of the parser into an error: the file is at fault
// then, as far as a user can tell.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

func reportSyntax(f *findings, err error) {
	at, message := position{1, 1}, ""
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		// Its Error method would print the source around the place, in quadratic
		// time.
		message = syntax.GetMessage()
		at = tokenPosition(syntax.GetToken())
	} else {
		message = err.Error()
	}
	if strings.Contains(message, "'\t'") {
		f.addf(at, nil, "there is a tab; expected spaces, because YAML does not allow tabs for indentation")
		return
	}
	message, _, _ = strings.Cut(message, "\n")
	f.addf(at, nil, "this is not valid YAML: %s; expected `key: value` lines, indented with spaces", message)
}

// soleDocument returns the content of the one document in file.
func soleDocument(f *findings, file *ast.File) ast.Node {
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil || d.Body.Type() == ast.DirectiveType {
			continue
		}
		if body != nil {
			f.addf(nodePosition(d.Body), nil, "a second document begins here; expected one document in the file")
			return nil
		}
		body = d.Body
	}
	if body == nil || body.Type() == ast.NullType {
		f.addf(position{1, 1}, nil, "the file is empty; expected at least `app:` and one component, as `teal init` writes them")
		return nil
	}
	return body
}

func tokenPosition(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// nodePosition returns where a value begins; the token of a mapping in block
// style is its first colon.
func nodePosition(n ast.Node) position {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return nodePosition(v.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return nodePosition(v.Key)
	}
	return tokenPosition(n.GetToken())
}

// yamlReader turns the parser's tree into nodes.
type yamlReader struct {
	*findings
	anchors map[string]*node
	values  int
	// exploded is set once the bound on values has been passed and reported.
	exploded bool
}

// read returns the value of n. After an error it returns a node that stands for
// nothing; the path of the error covers it.
func (r *yamlReader) read(n ast.Node, path []string) *node {
	at := nodePosition(n)
	switch v := n.(type) {
	case *ast.MappingNode:
		return r.mapping(at, v.Values, path)
	case *ast.MappingValueNode:
		return r.mapping(at, []*ast.MappingValueNode{v}, path)
	case *ast.SequenceNode:
		return r.list(at, v.Values, path)
	case *ast.AnchorNode:
		value := r.read(v.Value, path)
		r.anchors[v.Name.GetToken().Value] = value
		return value
	case *ast.AliasNode:
		return r.alias(at, v, path)
	case *ast.TagNode:
		return r.tagged(at, v, path)
	case *ast.MappingKeyNode:
		return r.read(v.Value, path)
	}
	return r.scalar(at, n, path)
}

func (r *yamlReader) scalar(at position, n ast.Node, path []string) *node {
	value := &node{at: at, kind: kindNull, size: 1}
	switch v := n.(type) {
	case *ast.StringNode:
		value.kind, value.text = kindText, v.Value
	case *ast.LiteralNode:
		value.kind, value.text = kindText, v.Value.Value
	case *ast.NullNode:
	case *ast.BoolNode:
		value.kind, value.text = kindBool, v.GetToken().Value
	case *ast.IntegerNode:
		value.kind, value.text = kindInt, v.GetToken().Value
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		value.kind, value.text = kindFloat, v.GetToken().Value
	default:
		value.kind = kindBroken
		r.addf(at, path, "this kind of YAML is not used in a manifest; expected text, a number, a list or a mapping")
	}
	return value
}

func (r *yamlReader) list(at position, values []ast.Node, path []string) *node {
	n := &node{at: at, kind: kindList, size: 1}
	for i, v := range values {
		if v == nil {
			continue
		}
		item := r.read(v, append(slices.Clone(path), fmt.Sprint(i)))
		n.items = append(n.items, item)
		r.grow(n, item.size, path)
	}
	return n
}

// grow counts values against the bound and reports when it is passed.
func (r *yamlReader) grow(n *node, by int, path []string) bool {
	n.size += by
	r.values++
	if n.size <= maxValues && r.values <= maxValues {
		return true
	}
	if !r.exploded {
		r.exploded = true
		r.addf(n.at, path, "aliases make more than %d values of this; write it out, shorter", maxValues)
	}
	n.size, n.items, n.pairs = maxValues+1, nil, nil
	return false
}

func (r *yamlReader) alias(at position, a *ast.AliasNode, path []string) *node {
	name := a.Value.GetToken().Value
	target, ok := r.anchors[name]
	if !ok {
		r.addf(at, path, "the alias *%s has no anchor; expected &%s before it, and not around it", name, name)
		return &node{at: at, size: 1}
	}
	here := *target
	here.at = at
	return &here
}

func (r *yamlReader) tagged(at position, t *ast.TagNode, path []string) *node {
	tag := t.GetToken().Value
	if t.Value == nil {
		return &node{at: at, kind: kindNull, size: 1}
	}
	value := r.read(t.Value, path)
	switch tag {
	case "!!str":
		if value.scalar() {
			return &node{at: value.at, kind: kindText, text: value.text, size: 1}
		}
	case "!!map", "!!seq", "!!int", "!!float", "!!bool", "!!null":
	default:
		r.addf(at, path, "the tag %s means nothing here; remove it", tag)
	}
	return value
}

func (r *yamlReader) mapping(at position, values []*ast.MappingValueNode, path []string) *node {
	n := &node{at: at, kind: kindMapping, size: 1}
	seen := map[string]position{}
	var merged []*node
	for _, v := range values {
		if v.Key.Type() == ast.MergeKeyType {
			merged = append(merged, r.read(v.Value, append(slices.Clone(path), "<<")))
			continue
		}
		key := r.read(v.Key, append(slices.Clone(path), v.Key.String()))
		if key.kind == kindBroken {
			continue
		}
		if !key.scalar() {
			r.addf(key.at, append(slices.Clone(path), v.Key.String()), "a key is %s; expected text", key.kind)
			continue
		}
		below := append(slices.Clone(path), key.text)
		keyAt := nodePosition(v.Key)
		if first, again := seen[key.text]; again {
			r.addf(keyAt, below, "the key is given twice, first on line %d; keep one of them", first.line)
			continue
		}
		seen[key.text] = keyAt
		value := r.read(v.Value, below)
		n.pairs = append(n.pairs, pair{key.text, keyAt, value})
		if !r.grow(n, value.size, path) {
			return n
		}
	}
	for _, m := range merged {
		r.merge(n, m, seen, path)
	}
	return n
}

// merge adds the pairs of m, a mapping or a list of mappings, that n does not
// have.
func (r *yamlReader) merge(n, m *node, seen map[string]position, path []string) {
	switch m.kind {
	case kindBroken:
	case kindList:
		for _, item := range m.items {
			if item.kind == kindMapping {
				r.merge(n, item, seen, path)
				continue
			}
			r.addf(item.at, path, "<< names %s; expected mappings", item.kind)
		}
	case kindMapping:
		for _, p := range m.pairs {
			if _, own := seen[p.key]; own {
				continue
			}
			seen[p.key] = p.at
			n.pairs = append(n.pairs, p)
			if !r.grow(n, p.value.size, path) {
				return
			}
		}
	default:
		r.addf(m.at, path, "<< names %s; expected a mapping", m.kind)
	}
}
