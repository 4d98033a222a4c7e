package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"teal"
)

// Mask hides values in texts that others see. It finds a value as it is, line by line,
// and as JSON, URLs, hexadecimal digits and base64 have it, whatever stands around it.
// What is done to a value beyond that hides it from the mask: it is there for slips.
//
// A nil *Mask hides nothing. A Mask is not changed after it is made; its methods may be
// called by many goroutines.
type Mask struct{ nodes []node }

// node is a state of the automaton (Aho-Corasick): what has been read ends with the
// beginning of a piece of a value. State 0 is that of nothing; its successors are in a
// row of all bytes, those of the others in lists.
type node struct {
	child, next int32 // the first successor, and the next one of the same state; 0: none
	fail        int32 // the state of the longest shorter ending
	byte        byte
	depth       uint8 // how many bytes of the piece have been read
	found       uint8 // length of the longest piece that ends here; 0: none
}

const (
	// minMasked is the shortest text that is hidden: a shorter one would hide half of every
	// log, and is no secret.
	minMasked = 6
	// pieceLength is into how long pieces values are cut: what is found does not depend
	// on where an output is cut, and the cost of a byte does not on how long values are.
	pieceLength = 32
	// maxNodes bounds the memory of a mask, at 16 bytes each, beyond what the values
	// themselves need: encoded forms that do not fit are left out, the longest first.
	maxNodes = 1 << 20
)

// NewMask returns what hides values; nil when there is nothing to hide.
func NewMask(values []string) *Mask {
	var plain, encoded []string
	for _, value := range values {
		plain = append(plain, linesOf(value)...)
		encoded = append(encoded, encodings(value)...)
	}
	m := &Mask{nodes: make([]node, 256+1)}
	for _, text := range plain {
		m.add(text)
	}
	slices.SortFunc(encoded, func(a, b string) int { return len(a) - len(b) })
	for _, text := range encoded {
		if len(m.nodes)+len(text) > maxNodes {
			break
		}
		m.add(text)
	}
	if !slices.ContainsFunc(m.nodes, func(n node) bool { return n.found > 0 }) {
		return nil
	}
	m.link()
	return m
}

// linesOf returns the lines of a value that are long enough: an output is masked line by
// line.
func linesOf(value string) (lines []string) {
	for line := range strings.SplitSeq(strings.ReplaceAll(value, "\r", "\n"), "\n") {
		if line = strings.TrimSpace(line); len(line) >= minMasked {
			lines = append(lines, line)
		}
	}
	return lines
}

// encodings returns what a value is written as where it cannot be as it is.
func encodings(value string) (forms []string) {
	if len(value) < minMasked {
		return nil
	}
	for _, text := range slices.Compact([]string{value, strings.TrimSpace(value)}) {
		quoted, _ := json.Marshal(text) // never fails for a string
		escaped := strings.Trim(string(quoted), `"`)
		plainer := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(escaped)
		digits := hex.EncodeToString([]byte(text))
		forms = append(forms, escaped, plainer, asciiOnly(plainer), url.QueryEscape(text), url.PathEscape(text), digits, strings.ToUpper(digits))
		for _, kept := range []string{"", "/", "!'()*", ";/?:@&=+$,#!'()*"} { // by Python's quote, with and without, and JavaScript's two
			forms = append(forms, percentEncoded(text, kept))
		}
		for shift := range 3 {
			forms = append(forms, inBase64(base64.RawStdEncoding, text, shift), inBase64(base64.RawURLEncoding, text, shift))
		}
	}
	forms = slices.DeleteFunc(forms, func(form string) bool { return len(form) < minMasked || strings.Contains(form, "\n") || form == value })
	slices.Sort(forms)
	return slices.Compact(forms)
}

// percentEncoded writes all bytes but letters, digits, -._~ and those that are kept as
// URLs have them.
func percentEncoded(text, kept string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', strings.IndexByte("-._~", c) >= 0, strings.IndexByte(kept, c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	return b.String()
}

// asciiOnly writes the characters beyond ASCII of a JSON text as Python and others do.
func asciiOnly(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16Of(r) {
			b.WriteString(`\u` + hex.EncodeToString([]byte{byte(unit >> 8), byte(unit)}))
		}
	}
	return b.String()
}

func utf16Of(r rune) []uint16 {
	if r < 0x10000 {
		return []uint16{uint16(r)}
	}
	r -= 0x10000
	return []uint16{0xd800 + uint16(r>>10), 0xdc00 + uint16(r&0x3ff)}
}

// inBase64 returns the characters that a text makes after so many bytes of something
// else, without those that it shares with what stands before and after it.
func inBase64(as *base64.Encoding, text string, shift int) string {
	whole := as.EncodeToString([]byte(strings.Repeat("\x00", shift) + text))
	return whole[(8*shift+5)/6 : 8*(shift+len(text))/6]
}

// add adds the pieces of a text.
func (m *Mask) add(text string) {
	for len(text) > pieceLength {
		m.addPiece(text[:pieceLength])
		if len(text) < 2*pieceLength {
			text = text[len(text)-pieceLength:]
			break
		}
		text = text[pieceLength:]
	}
	m.addPiece(text)
}

func (m *Mask) addPiece(piece string) {
	at := int32(piece[0]) + 1
	m.nodes[at].byte, m.nodes[at].depth = piece[0], 1
	for i := 1; i < len(piece); i++ {
		next := m.successor(at, piece[i])
		if next == 0 {
			next = int32(len(m.nodes))
			m.nodes = append(m.nodes, node{next: m.nodes[at].child, byte: piece[i], depth: uint8(i + 1)})
			m.nodes[at].child = next
		}
		at = next
	}
	m.nodes[at].found = m.nodes[at].depth
}

// successor returns the state after one more byte of the same piece; 0: there is none.
func (m *Mask) successor(at int32, b byte) int32 {
	if at == 0 {
		if first := int32(b) + 1; m.nodes[first].depth > 0 {
			return first
		}
		return 0
	}
	for next := m.nodes[at].child; next != 0; next = m.nodes[next].next {
		if m.nodes[next].byte == b {
			return next
		}
	}
	return 0
}

// step returns the state after one more byte.
func (m *Mask) step(at int32, b byte) int32 {
	for {
		if next := m.successor(at, b); next != 0 || at == 0 {
			return next
		}
		at = m.nodes[at].fail
	}
}

// link tells every state where to go on when its piece ends otherwise.
func (m *Mask) link() {
	var queue []int32
	for first := int32(1); first <= 256; first++ {
		if m.nodes[first].depth > 0 {
			queue = append(queue, first)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		for next := m.nodes[at].child; next != 0; next = m.nodes[next].next {
			fail := m.step(m.nodes[at].fail, m.nodes[next].byte)
			m.nodes[next].fail = fail
			m.nodes[next].found = max(m.nodes[next].found, m.nodes[fail].found)
			queue = append(queue, next)
		}
	}
}

// String returns a text without the values.
func (m *Mask) String(text string) string {
	if m == nil {
		return text
	}
	s := Stream{mask: m}
	return string(s.Piece([]byte(text), true))
}

// Stream returns what hides values in one stream.
func (m *Mask) Stream() *Stream { return &Stream{mask: m} }

// Stream hides values in a stream, also such as one piece of it ends in and the next one
// goes on with. It is for one goroutine.
type Stream struct {
	mask    *Mask
	at      int32
	inside  bool // the piece before ended within what was hidden
	changed []byte
}

// span is what is hidden of a piece.
type span struct{ from, to int }

// Piece returns a piece of the stream without the values; it is piece itself where there
// are none, and else good until the next call. ended says that a line ends with it, with
// which every value does. Of a piece that ends otherwise, what may be the beginning of a
// value is hidden, too, unless it is shorter than all that is worth it.
func (s *Stream) Piece(piece []byte, ended bool) []byte {
	if s == nil || s.mask == nil {
		return piece
	}
	spans := s.find(piece)
	if depth := int(s.mask.nodes[s.at].depth); !ended && depth >= minMasked {
		spans = hide(spans, span{max(0, len(piece)-depth), len(piece)})
	}
	if ended {
		s.at = 0
	}
	inside := s.inside
	s.inside = !ended && len(spans) > 0 && spans[len(spans)-1].to == len(piece)
	if len(spans) == 0 {
		return piece
	}
	s.changed = s.changed[:0]
	done := 0
	for _, hidden := range spans {
		s.changed = append(s.changed, piece[done:hidden.from]...)
		if hidden.from > 0 || !inside {
			s.changed = append(s.changed, teal.MaskedValue...)
		}
		done = hidden.to
	}
	s.changed = append(s.changed, piece[done:]...)
	return s.changed
}

// find returns what is to be hidden of a piece, in order.
func (s *Stream) find(piece []byte) (spans []span) {
	at, nodes := s.at, s.mask.nodes
	for i, b := range piece {
		if at == 0 {
			if first := int32(b) + 1; nodes[first].depth > 0 {
				at = first
			}
			continue
		}
		at = s.mask.step(at, b)
		if found := int(nodes[at].found); found > 0 {
			spans = hide(spans, span{max(0, i+1-found), i + 1})
		}
	}
	s.at = at
	return spans
}

// hide adds a span that ends after all others, or where the last one does.
func hide(spans []span, more span) []span {
	for len(spans) > 0 && spans[len(spans)-1].to >= more.from {
		more.from = min(more.from, spans[len(spans)-1].from)
		spans = spans[:len(spans)-1]
	}
	return append(spans, more)
}
