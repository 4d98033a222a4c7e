package logs

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendLine appends l with the given text as one line of JSON. It is what
// json.Marshal would write, without its cost: this is where a gigabyte of
// output passes through.
func appendLine(b []byte, l *Line, text string) []byte {
	b = append(b, `{"at":"`...)
	b = l.At.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","app":"`...)
	b = append(b, l.App...) // a checked name
	b = append(b, `","version":`...)
	b = strconv.AppendInt(b, int64(l.Version), 10)
	b = appendField(b, `,"component":`, l.Component)
	b = appendField(b, `,"instance":`, l.Instance)
	b = appendField(b, `,"request_id":`, l.RequestID)
	b = append(b, `,"stream":`...)
	stream, _ := cut(l.Stream, maxField)
	b = appendQuoted(b, stream)
	b = append(b, `,"text":`...)
	b = appendQuoted(b, text)
	return append(b, "}\n"...)
}

func appendField(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	value, _ = cut(value, maxField)
	return appendQuoted(append(b, key...), value)
}

// cut splits s after at most n bytes, not inside of a character.
func cut(s string, n int) (head, tail string) {
	if len(s) <= n {
		return s, ""
	}
	for i := n; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i], s[i:]
		}
	}
	return s[:n], s[n:]
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0 // s[plain:i] needs nothing
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = append(b, s[plain:i]...)
		b = appendEscaped(b, c)
		i += size
		plain = i
	}
	return append(append(b, s[plain:]...), '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch {
	case c >= utf8.RuneSelf:
		return append(b, "\ufffd"...)
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c == '\n':
		return append(b, `\n`...)
	case c == '\t':
		return append(b, `\t`...)
	case c == '\r':
		return append(b, `\r`...)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// decodeLine reads one line of a segment. A line that is none, because a crash
// tore it, is not ok.
func decodeLine(data []byte) (l Line, ok bool) {
	err := json.Unmarshal(data, &l)
	return l, err == nil && l.App != "" && l.Version > 0
}
