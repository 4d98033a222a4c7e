// Package yamltree reads a YAML document of somebody else's into a tree with positions,
// within bounds that keep hostile files cheap. It decides nothing about what the
// document means.
package yamltree

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

// MaxSize bounds a document, in bytes.
const MaxSize = 1 << 20

// Options say what is read.
type Options struct {
	What  string // the file, for sentences: "a manifest"
	Empty string // what is expected of a file that has nothing
	Tags  bool   // tags that YAML does not know stay in Node.Tag; otherwise they are problems
}

// Report is told of a problem, and of the keys that lead to it: none for the file as such.
type Report func(at Position, path []string, message string)

// Read returns the one document in data as a tree, or nil after reporting why there is
// none. Beside a tree problems may have been reported, too; Broken nodes stand for what
// they are about.
func Read(data []byte, options Options, report Report) *Node {
	r := &reader{Options: options, report: report, anchors: map[string]*Node{}}
	return r.document(data)
}

// reader turns the parser's tree into nodes.
type reader struct {
	Options
	report  Report
	anchors map[string]*Node
	values  int
	// exploded is set once the bound on values has been passed and reported.
	exploded bool
}

func (r *reader) addf(at Position, path []string, format string, args ...any) {
	r.report(at, path, fmt.Sprintf(format, args...))
}

func (r *reader) document(data []byte) *Node {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	switch {
	case len(data) > MaxSize:
		r.addf(Position{1, 1}, nil, "the file is larger than 1 MiB; %s holds configuration, not data", r.What)
		return nil
	case !r.checkText(data):
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if !r.checkTokens(tokens) {
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		r.reportSyntax(err)
		return nil
	}
	body := r.soleDocument(file)
	if body == nil {
		return nil
	}
	if root := r.read(body, nil); !r.exploded {
		return root
	}
	return nil
}

// checkText refuses what is not text in UTF-8.
func (r *reader) checkText(data []byte) bool {
	line, column := 1, 1
	for rest := data; len(rest) > 0; column++ {
		c, size := utf8.DecodeRune(rest)
		switch {
		case c == utf8.RuneError && size == 1:
			r.addf(Position{line, column}, nil, "the byte %#x is not UTF-8; save the file as UTF-8", rest[0])
			return false
		case c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f:
			r.addf(Position{line, column}, nil, "the control character %#x is not allowed in YAML; remove it", c)
			return false
		case c == '\n':
			line, column = line+1, 0
		}
		rest = rest[size:]
	}
	return true
}

// checkTokens refuses what would cost the parser too much.
func (r *reader) checkTokens(tokens token.Tokens) bool {
	keys, flow, line, inLine := 0, 0, 0, 0
	for _, t := range tokens {
		at := tokenPosition(t)
		if at.Line != line {
			line, inLine = at.Line, 0
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
			r.addf(at, nil, "values are nested more than %d deep; %s needs less than ten", maxDepth, r.What)
			return false
		case keys > maxKeys:
			r.addf(at, nil, "the file has more than %d keys; %s holds configuration, not data", maxKeys, r.What)
			return false
		}
	}
	if len(tokens) > maxTokens {
		r.addf(tokenPosition(tokens[maxTokens]), nil, "the file has more than %d values; %s holds configuration, not data", maxTokens, r.What)
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

func (r *reader) reportSyntax(err error) {
	at, message := Position{1, 1}, ""
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
		r.addf(at, nil, "there is a tab; expected spaces, because YAML does not allow tabs for indentation")
		return
	}
	message, _, _ = strings.Cut(message, "\n")
	r.addf(at, nil, "this is not valid YAML: %s; expected `key: value` lines, indented with spaces", message)
}

// soleDocument returns the content of the one document in file.
func (r *reader) soleDocument(file *ast.File) ast.Node {
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil || d.Body.Type() == ast.DirectiveType {
			continue
		}
		if body != nil {
			r.addf(nodePosition(d.Body), nil, "a second document begins here; expected one document in the file")
			return nil
		}
		body = d.Body
	}
	if body == nil || body.Type() == ast.NullType {
		r.addf(Position{1, 1}, nil, "the file is empty; expected %s", r.Empty)
		return nil
	}
	return body
}

func tokenPosition(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{1, 1}
	}
	return Position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// nodePosition returns where a value begins; the token of a mapping in block
// style is its first colon.
func nodePosition(n ast.Node) Position {
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

// read returns the value of n. After an error it returns a node that stands for
// nothing; the path of the error covers it.
func (r *reader) read(n ast.Node, path []string) *Node {
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

func (r *reader) scalar(at Position, n ast.Node, path []string) *Node {
	value := &Node{At: at, Kind: Null, size: 1}
	switch v := n.(type) {
	case *ast.StringNode:
		value.Kind, value.Text = Text, v.Value
	case *ast.LiteralNode:
		value.Kind, value.Text = Text, v.Value.Value
	case *ast.NullNode:
	case *ast.BoolNode:
		value.Kind, value.Text = Bool, v.GetToken().Value
	case *ast.IntegerNode:
		value.Kind, value.Text = Int, v.GetToken().Value
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		value.Kind, value.Text = Float, v.GetToken().Value
	default:
		value.Kind = Broken
		r.addf(at, path, "this kind of YAML is not used in %s; expected text, a number, a list or a mapping", r.What)
	}
	return value
}

func (r *reader) list(at Position, values []ast.Node, path []string) *Node {
	n := &Node{At: at, Kind: List, size: 1}
	for i, v := range values {
		if v == nil {
			continue
		}
		item := r.read(v, append(slices.Clone(path), fmt.Sprint(i)))
		n.Items = append(n.Items, item)
		r.grow(n, item.size, path)
	}
	return n
}

// grow counts values against the bound and reports when it is passed.
func (r *reader) grow(n *Node, by int, path []string) bool {
	n.size += by
	r.values++
	if n.size <= maxValues && r.values <= maxValues {
		return true
	}
	if !r.exploded {
		r.exploded = true
		r.addf(n.At, path, "aliases make more than %d values of this; write it out, shorter", maxValues)
	}
	n.size, n.Items, n.Pairs = maxValues+1, nil, nil
	return false
}

func (r *reader) alias(at Position, a *ast.AliasNode, path []string) *Node {
	name := a.Value.GetToken().Value
	target, ok := r.anchors[name]
	if !ok {
		r.addf(at, path, "the alias *%s has no anchor; expected &%s before it, and not around it", name, name)
		return &Node{At: at, size: 1}
	}
	here := *target
	here.At = at
	return &here
}

func (r *reader) tagged(at Position, t *ast.TagNode, path []string) *Node {
	tag := t.GetToken().Value
	value := &Node{At: at, Kind: Null, size: 1}
	if t.Value != nil {
		value = r.read(t.Value, path)
	}
	switch tag {
	case "!!str":
		if value.Scalar() {
			return &Node{At: value.At, Kind: Text, Text: value.Text, size: 1}
		}
	case "!!map", "!!seq", "!!int", "!!float", "!!bool", "!!null":
	default:
		if !r.Tags {
			r.addf(at, path, "the tag %s means nothing here; remove it", tag)
			break
		}
		tagged := *value
		tagged.At, tagged.Tag = at, tag
		return &tagged
	}
	return value
}

func (r *reader) mapping(at Position, values []*ast.MappingValueNode, path []string) *Node {
	n := &Node{At: at, Kind: Mapping, size: 1}
	seen := map[string]Position{}
	var merged []*Node
	for _, v := range values {
		if v.Key.Type() == ast.MergeKeyType {
			merged = append(merged, r.read(v.Value, append(slices.Clone(path), "<<")))
			continue
		}
		key := r.read(v.Key, append(slices.Clone(path), v.Key.String()))
		if key.Kind == Broken {
			continue
		}
		if !key.Scalar() {
			r.addf(key.At, append(slices.Clone(path), v.Key.String()), "a key is %s; expected text", key.Kind)
			continue
		}
		below := append(slices.Clone(path), key.Text)
		keyAt := nodePosition(v.Key)
		if first, again := seen[key.Text]; again {
			r.addf(keyAt, below, "the key is given twice, first on line %d; keep one of them", first.Line)
			continue
		}
		seen[key.Text] = keyAt
		value := r.read(v.Value, below)
		n.Pairs = append(n.Pairs, Pair{key.Text, keyAt, value})
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
func (r *reader) merge(n, m *Node, seen map[string]Position, path []string) {
	switch m.Kind {
	case Broken:
	case List:
		for _, item := range m.Items {
			if item.Kind == Mapping {
				r.merge(n, item, seen, path)
				continue
			}
			r.addf(item.At, path, "<< names %s; expected mappings", item.Kind)
		}
	case Mapping:
		r.mergePairs(n, m.Pairs, seen, path)
	default:
		r.addf(m.At, path, "<< names %s; expected a mapping", m.Kind)
	}
}

// mergePairs adds the pairs whose keys have not been seen.
func (r *reader) mergePairs(n *Node, pairs []Pair, seen map[string]Position, path []string) {
	for _, p := range pairs {
		if _, own := seen[p.Key]; own {
			continue
		}
		seen[p.Key] = p.At
		n.Pairs = append(n.Pairs, p)
		if !r.grow(n, p.Value.size, path) {
			return
		}
	}
}
