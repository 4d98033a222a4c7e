package manifest

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"teal"
	"teal/internal/yamltree"
)

// decoder fills the types of this package from a tree and reports everything
// that does not fit.
type decoder struct{ *findings }

// place is where a value is: the path that leads to it and where it is named.
type place struct {
	path []string
	key  yamltree.Position // its key; of an item of a list, the item
}

func (p place) below(key string, at yamltree.Position) place {
	return place{append(slices.Clone(p.path), key), at}
}

var (
	textType     = reflect.TypeFor[text]()
	variableType = reflect.TypeFor[variable]()
	percentType  = reflect.TypeFor[percent]()
	statusesType = reflect.TypeFor[statuses]()
	anythingType = reflect.TypeFor[anything]()
)

// decode reads n into v. On an error v keeps what it has, its default.
func (d *decoder) decode(n *yamltree.Node, v reflect.Value, at place) {
	switch n.Kind {
	case yamltree.Broken:
		return
	case yamltree.Null:
		d.addf(at.key, at.path, "has no value; expected %s%s", wanted(v.Type()), emptyHint(v.Type()))
		return
	}
	switch t := v.Type(); {
	case t == textType:
		d.text(n, v, at)
	case t == variableType:
		d.variable(n, v, at)
	case t == percentType:
		d.percent(n, v, at)
	case t == anythingType:
		v.SetBytes(jsonOf(n))
	case t == statusesType && n.Scalar():
		v.Set(reflect.ValueOf(statuses{text(n.Text)}))
	case isText(t):
		d.unit(n, v, at)
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.decode(n, v.Elem(), at)
	case t.Kind() == reflect.Struct:
		d.structure(n, v, at)
	case t.Kind() == reflect.Map:
		d.mapping(n, v, at)
	case t.Kind() == reflect.Slice:
		d.list(n, v, at)
	case t.Kind() == reflect.Int:
		d.integer(n, v, at)
	case t.Kind() == reflect.Float64:
		d.number(n, v, at)
	case t.Kind() == reflect.Bool:
		d.boolean(n, v, at)
	default:
		d.plain(n, v, at)
	}
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// wanted names what a value of type t must be written as.
func wanted(t reflect.Type) string {
	switch {
	case t == textType:
		return "text, a number, true or false"
	case t == variableType:
		return wanted(textType) + ", or {secret: NAME}"
	case t == percentType:
		return "a percentage such as 10 or 12.5"
	case t == statusesType:
		return "a status such as 200 or 2xx, or a list of them"
	case t == anythingType:
		return "any value"
	case t == reflect.TypeFor[teal.Duration]():
		return "a duration such as 300ms, 30s or 5m"
	case t == reflect.TypeFor[teal.Bytes]():
		return "a size such as 128MiB"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Struct, reflect.Map:
		return "a mapping"
	case reflect.Slice:
		return "a list"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	default:
		return "text"
	}
}

func emptyHint(t reflect.Type) string {
	if t == textType || t == variableType {
		return `; write "" for the empty text`
	}
	return ""
}

func (d *decoder) mismatch(n *yamltree.Node, t reflect.Type, at place) {
	where := n.At
	if !n.Scalar() {
		where = at.key
	}
	hint := ""
	if n.Scalar() && t.Kind() == reflect.String && t != textType {
		hint = fmt.Sprintf("; write %q in quotes if that is meant", n.Text)
	}
	d.addf(where, at.path, "is %s; expected %s%s", n.Kind, wanted(t), hint)
}

func (d *decoder) text(n *yamltree.Node, v reflect.Value, at place) {
	if !n.Scalar() {
		d.mismatch(n, v.Type(), at)
		return
	}
	v.SetString(n.Text)
}

func (d *decoder) variable(n *yamltree.Node, v reflect.Value, at place) {
	var read variable
	switch {
	case n.Kind == yamltree.Mapping:
		read.secret = &secretRef{}
		d.structure(n, reflect.ValueOf(read.secret).Elem(), at)
		if as := read.secret.As; as != "" && as != "file" {
			d.addf(n.At, append(slices.Clone(at.path), "as"), "is %q; write file for the path of a file with the value, or leave it out", as)
		}
	case n.Scalar():
		read.text = text(n.Text)
	default:
		d.mismatch(n, v.Type(), at)
		return
	}
	v.Set(reflect.ValueOf(read))
}

func (d *decoder) plain(n *yamltree.Node, v reflect.Value, at place) {
	if n.Kind != yamltree.Text {
		d.mismatch(n, v.Type(), at)
		return
	}
	v.SetString(n.Text)
}

func (d *decoder) integer(n *yamltree.Node, v reflect.Value, at place) {
	if n.Kind != yamltree.Int {
		d.mismatch(n, v.Type(), at)
		return
	}
	i, err := strconv.ParseInt(n.Text, 0, 32)
	if err != nil {
		d.addf(n.At, at.path, "%s is out of range; expected a smaller whole number", n.Text)
		return
	}
	v.SetInt(i)
}

// number reads a number; infinity and what is no number are none.
func (d *decoder) number(n *yamltree.Node, v reflect.Value, at place) {
	if n.Kind != yamltree.Int && n.Kind != yamltree.Float {
		d.mismatch(n, v.Type(), at)
		return
	}
	f, err := strconv.ParseFloat(n.Text, 64)
	if i, errInt := strconv.ParseInt(n.Text, 0, 64); errInt == nil {
		f, err = float64(i), nil
	}
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		d.addf(n.At, at.path, "%s is not a finite number; expected one such as 1.5", n.Text)
		return
	}
	v.SetFloat(f)
}

func (d *decoder) boolean(n *yamltree.Node, v reflect.Value, at place) {
	if n.Kind != yamltree.Bool {
		d.mismatch(n, v.Type(), at)
		return
	}
	v.SetBool(strings.EqualFold(n.Text, "true"))
}

func (d *decoder) percent(n *yamltree.Node, v reflect.Value, at place) {
	if !n.Scalar() || n.Kind == yamltree.Bool {
		d.mismatch(n, v.Type(), at)
		return
	}
	w, err := teal.ParseWeight(n.Text)
	if err != nil {
		d.addf(n.At, at.path, "%s", err)
		return
	}
	v.SetInt(int64(w))
}

// unit reads a quantity with a unit.
func (d *decoder) unit(n *yamltree.Node, v reflect.Value, at place) {
	switch n.Kind {
	case yamltree.Text:
	case yamltree.Int, yamltree.Float:
		d.addf(n.At, at.path, "%s has no unit; expected %s", n.Text, wanted(v.Type()))
		return
	default:
		d.mismatch(n, v.Type(), at)
		return
	}
	target := reflect.New(v.Type())
	unmarshaler, ok := target.Interface().(encoding.TextUnmarshaler)
	if !ok {
		return
	}
	if strings.Trim(n.Text, "0123456789.+-") == "" {
		d.addf(n.At, at.path, "%q has no unit; expected %s", n.Text, wanted(v.Type()))
		return
	}
	if err := unmarshaler.UnmarshalText([]byte(n.Text)); err != nil {
		d.addf(n.At, at.path, "%s", err)
		return
	}
	v.Set(target.Elem())
}

func (d *decoder) list(n *yamltree.Node, v reflect.Value, at place) {
	if n.Kind != yamltree.List {
		d.mismatch(n, v.Type(), at)
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items))
	for i, item := range n.Items {
		setDefaults(list.Index(i))
		d.decode(item, list.Index(i), at.below(strconv.Itoa(i), item.At))
	}
	v.Set(list)
}

func (d *decoder) mapping(n *yamltree.Node, v reflect.Value, at place) {
	if n.Kind != yamltree.Mapping {
		d.mismatch(n, v.Type(), at)
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.Pairs))
	for _, p := range n.Pairs {
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(p.Value, value, at.below(p.Key, p.At))
		if value.Kind() == reflect.Pointer && value.IsNil() {
			value.Set(reflect.New(value.Type().Elem()))
		}
		m.SetMapIndex(reflect.ValueOf(p.Key), value)
	}
	v.Set(m)
}

func (d *decoder) structure(n *yamltree.Node, v reflect.Value, at place) {
	setDefaults(v)
	if n.Kind != yamltree.Mapping {
		d.mismatch(n, v.Type(), at)
		return
	}
	known := fieldsOf(v.Type())
	for _, p := range n.Pairs {
		i, ok := known.index[p.Key]
		if !ok && len(at.path) == 0 && strings.HasPrefix(p.Key, ownPrefix) {
			continue
		}
		if !ok {
			d.addf(p.At, append(slices.Clone(at.path), p.Key), "the key is not known; %s", known.suggest(p.Key))
			continue
		}
		below := at.below(p.Key, p.At)
		d.decode(p.Value, v.Field(i), below)
		d.empty(p.Value, v.Type().Field(i), below)
	}
	for _, key := range known.needed {
		if !n.Has(key) {
			d.addf(at.key, append(slices.Clone(at.path), key), "is missing; expected %s", wanted(v.Field(known.index[key]).Type()))
		}
	}
}

// empty refuses a value that says nothing where leaving its key out says something: who
// writes methods: [] does not mean all.
func (d *decoder) empty(n *yamltree.Node, field reflect.StructField, at place) {
	meaning := field.Tag.Get("zero")
	switch {
	case meaning == "yes" || !nothing(n, field.Type):
	case meaning != "":
		d.addf(n.At, at.path, "is %s; expected %s. Leave the key out for %s", written(n), wanted(field.Type), meaning)
	case field.Type.Kind() == reflect.String && field.Type != textType && field.Tag.Get("need") != "yes": // the domain has more to say of those
		d.addf(n.At, at.path, "is empty; write text, or leave the key out")
	}
}

// nothing reports whether a value of that type is empty or 0.
func nothing(n *yamltree.Node, t reflect.Type) bool {
	switch {
	case n.Kind == yamltree.List:
		return len(n.Items) == 0
	case t.Kind() == reflect.String || t.Kind() == reflect.Slice:
		return n.Kind == yamltree.Text && n.Text == ""
	case n.Kind == yamltree.Int:
		return strings.Trim(n.Text, "0+-_xob") == ""
	case n.Kind == yamltree.Text && isText(t):
		number := strings.TrimRight(n.Text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµμ ")
		return number != "" && strings.Trim(number, "0.+hmsnuµ") == ""
	}
	return false
}

// written says what an empty value is written as.
func written(n *yamltree.Node) string {
	if n.Kind == yamltree.List || n.Text == "" {
		return "empty"
	}
	return n.Text
}

// ownPrefix is how keys at the top of a manifest begin that are for its writer alone,
// such as a place for anchors. They mean nothing, and stand nowhere else.
const ownPrefix = "x-"

// setDefaults gives v the values of what a file leaves out.
func setDefaults(v reflect.Value) {
	if d, ok := v.Addr().Interface().(interface{ setDefaults() }); ok {
		d.setDefaults()
	}
}

// fields is what the tags of a struct say.
type fields struct {
	keys   []string
	index  map[string]int
	needed []string
	oneOf  []string // of which one is needed; the domain says so
}

func fieldsOf(t reflect.Type) fields {
	f := fields{index: map[string]int{}}
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		key := tag.Get("yaml")
		f.keys = append(f.keys, key)
		f.index[key] = i
		switch tag.Get("need") {
		case "yes":
			f.needed = append(f.needed, key)
		case "one":
			f.oneOf = append(f.oneOf, key)
		}
	}
	return f
}

// suggest says what a key that is not known may have been meant to be.
func (f fields) suggest(key string) string {
	best, distance := "", 3
	for _, k := range f.keys {
		if n := editDistance(strings.ToLower(key), strings.ToLower(k)); n < distance && n < len(k) {
			best, distance = k, n
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "expected one of " + strings.Join(f.keys, ", ")
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that lead from a to b. A long a is as good as far away.
func editDistance(a, b string) int {
	if len(a) > 2*len(b)+4 {
		return len(a)
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
