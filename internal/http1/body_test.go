package http1

import (
	"fmt"
	"strings"
	"testing"
)

// readBody reads a body of which step bytes arrive at a time.
func readBody(length int64, text string, step int) (content string, rest string, b *Body, err error) {
	return readInto(&Body{}, length, text, step)
}

func readInto(b *Body, length int64, text string, step int) (content string, rest string, _ *Body, err error) {
	b.Reset(length)
	kept, arrived := 0, 0
	for !b.Done() {
		piece, n, err := b.Next([]byte(text[kept:arrived]))
		if err != nil {
			return content, "", b, err
		}
		content += string(piece)
		if kept += n; n > 0 {
			continue
		}
		if arrived == len(text) {
			return content, "", b, nil
		}
		arrived = min(arrived+step, len(text))
	}
	return content, text[kept:], b, nil
}

func TestBodies(t *testing.T) {
	for _, tt := range []struct {
		length        int64
		text          string
		content, rest string
	}{
		{0, "next", "", "next"},
		{5, "hellonext", "hello", "next"},
		{Chunked, "5\r\nhello\r\n0\r\n\r\nnext", "hello", "next"},
		{Chunked, "005;a=b;c=\"d\"\r\nhello\r\nA\r\n0123456789\r\n00\r\nX-Sum: 42\r\nX-B: c\r\n\r\nnext", "hello0123456789", "next"},
	} {
		for step := range len(tt.text) {
			content, rest, b, err := readBody(tt.length, tt.text, step+1)
			if err != nil || content != tt.content || rest != tt.rest || !b.Done() {
				t.Fatalf("%q by %d: %q, %q, %v", tt.text, step+1, content, rest, err)
			}
			if strings.Contains(tt.text, "X-Sum") {
				if sum, _ := b.Trailer().Get("x-sum"); string(sum) != "42" || b.Trailer().Len() != 2 {
					t.Fatalf("by %d: trailer %q", step+1, sum)
				}
			}
		}
	}
	if content, _, b, err := readBody(UntilClose, "hello", 2); content != "hello" || b.Done() || !b.UntilClose() || err != nil {
		t.Errorf("%q, %v", content, err)
	}
}

// What an instance writes that can be read in only one way is read.
//
// Seen red without Repairs, and with digits that count leading zeros.
func TestChunksThatAreRepaired(t *testing.T) {
	for _, text := range []string{
		"5 \r\nhello\r\n0\r\n\r\nnext", "5\t \r\nhello\r\n0 \r\n\r\nnext", "5 ;a=b\r\nhello\r\n0 ; x\r\n\r\nnext", "5\nhello\n0\n\nnext",
		"00000000000000000000000005\r\nhello\r\n00000000000000000000000000\r\n\r\nnext", "5;a\nhello\r\n0\r\n\nnext",
		"2 \nhe\n03\r\nllo\n000\nX-Sum : 42\nX-B: c\n\nnext",
	} {
		for step := range len(text) {
			content, rest, b, err := readInto(&Body{Repairs: true}, Chunked, text, step+1)
			if err != nil || content != "hello" || rest != "next" {
				t.Fatalf("%q by %d: %q, %q, %v", text, step+1, content, rest, err)
			}
			if sum, _ := b.Trailer().Get("x-sum"); strings.Contains(text, "X-Sum") && string(sum) != "42" {
				t.Fatalf("by %d: trailer %q", step+1, sum)
			}
		}
	}
	for _, text := range []string{
		"\r\n", "\n", " 5\r\nhello", "5 5\r\nhello", "5 x\r\nhello", "x\r\n", "-1\r\n", "0x1\r\na\r\n", "1\r\nab\r\n", "1\r\na\rX", "1\rXa", ";a=b\r\n",
		"1" + strings.Repeat(" ", 300) + "\r\na\r\n", strings.Repeat("0", 300) + "1\r\na\r\n", "1000000000000000\r\n", "1\r\na5\r\n", "0\r\nA: b\r\n c\r\n\r\n",
	} {
		if content, _, _, err := readInto(&Body{Repairs: true}, Chunked, text, 1); err == nil {
			t.Errorf("%.30q is accepted as %q", text, content)
		}
	}
}

func TestChunksThatAreRefused(t *testing.T) {
	for _, text := range []string{
		"\r\n", "x\r\n", "-1\r\n", "+1\r\n", "0x1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "1\t;a\r\na\r\n", "1\na\n",
		"1\r\nab\r\n", "1\r\na\n", "1\r\na\rX", "1\rXa", ";a=b\r\n", "g\r\n", "1_0\r\n",
		"1;a\x00\r\na\r\n", "1;a\nb\r\na\r\n", "1;a\rb\r\na\r\n", "1;" + strings.Repeat("x", 300) + "\r\na\r\n",
		"1000000000000000\r\n", "0\r\nA : b\r\n\r\n", "0\r\n A: b\r\n\r\n", "0\r\nA: b\n\r\n", "0\r\n\n", "0\r\nA\r\n\r\n",
		"0\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n", "0\r\nA: " + strings.Repeat("x", 20<<10),
	} {
		if content, _, _, err := readBody(Chunked, text, 1); err == nil {
			t.Errorf("%.30q is accepted as %q", text, content)
		}
		if _, _, _, err := readBody(Chunked, text, len(text)); err == nil {
			t.Errorf("%.30q is accepted at once", text)
		}
	}
}

func TestChunksAreWrittenAsTheyAreRead(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	var b Body
	b.Reset(Chunked)
	out := AppendChunk(AppendChunk(AppendChunk(nil, []byte(content)), nil), []byte("end"))
	trailer := &Body{}
	trailer.Reset(Chunked)
	if _, _, err := trailer.Next([]byte("0\r\nX-Sum: 1\r\nContent-Length: 7\r\nTeal-Version: 9\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	out = AppendTrailer(out, trailer.Trailer(), func(name []byte) bool { return !HasPrefixFold(name, "teal-") })
	got, rest, end, err := readBody(Chunked, string(out), 100)
	if err != nil || got != content+"end" || rest != "" || end.Trailer().Len() != 1 {
		t.Errorf("%d bytes, rest %q, %d trailers, %v", len(got), rest, end.Trailer().Len(), err)
	}
}

func BenchmarkChunks(b *testing.B) {
	data := []byte(strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", 1000, strings.Repeat("x", 1000)), 30) + "0\r\n\r\n")
	var body Body
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		body.Reset(Chunked)
		for left := data; !body.Done(); {
			_, n, err := body.Next(left)
			if err != nil {
				b.Fatal(err)
			}
			left = left[n:]
		}
	}
}
