package carriertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/await"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/static"
)

// files are those that a test has.
type files struct{ gateway.Files }

// large is more than any buffer between a file and its client holds.
var large = strings.Repeat("0123456789abcdef", 8<<20/16)

// served returns the files of a folder.
func served(t *testing.T, s teal.Static, memory *static.Memory, content map[string]string) gateway.Files {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	changed, done := make(chan struct{}, 10), make(chan error, 1)
	s.Index = teal.DefaultIndex
	site := static.New(static.Config{
		Name: "file", Static: s, Dir: dir, Memory: memory, Modified: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		Logger: slog.New(slog.DiscardHandler), OnChange: func() { changed <- struct{}{} },
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- site.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := await.Value(t, "the files to be given up", done); err != nil {
			t.Error(err)
		}
	})
	await.Value(t, "the files to be there", changed)
	return site
}

// fileCases are requests for files, and the answers.
var fileCases = []struct{ ask, want string }{
	{"GET /files/", "200\ncontent-type: text/html; charset=utf-8\nlength 4\naccept-ranges: bytes\ncache-control: no-cache\nvary: Accept-Encoding\netag: *\nlast-modified: Wed, 04 Mar 2026 05:06:07 GMT\n\nhome"},
	{"GET /files/\naccept-encoding: gzip, br", "200\ncontent-type: text/html; charset=utf-8\ncontent-encoding: br\nlength 6\naccept-ranges: bytes\ncache-control: no-cache\nvary: Accept-Encoding\netag: *\nlast-modified: Wed, 04 Mar 2026 05:06:07 GMT\n\nbrotli"},
	{"HEAD /files/", "200\ncontent-type: text/html; charset=utf-8\nlength 4\naccept-ranges: bytes\ncache-control: no-cache\nvary: Accept-Encoding\netag: *\nlast-modified: Wed, 04 Mar 2026 05:06:07 GMT"},
	{"GET /files", "301\ncache-control: no-cache\nlength 0\nlocation: /files/"},
	{"GET /files?a=b%20c", "301\ncache-control: no-cache\nlength 0\nlocation: /files/?a=b%20c"},
	{"HEAD /files/docs", "301\ncache-control: no-cache\nlength 0\nlocation: /files/docs/"},
	{"GET /files/app.3f2a91bc.js\nrange: bytes=2-3", "206\ncontent-type: text/javascript; charset=utf-8\nlength 2\naccept-ranges: bytes\ncache-control: public, max-age=31536000, immutable\netag: *\nlast-modified: Wed, 04 Mar 2026 05:06:07 GMT\ncontent-range: bytes 2-3/7\n\nns"},
	{"GET /files/app.3f2a91bc.js\nrange: bytes=7-", "416\ncache-control: no-cache\nlength 0\ncontent-range: bytes */7"},
	{"GET /files/app.3f2a91bc.js\nif-modified-since: Wed, 04 Mar 2026 05:06:07 GMT", "304\ncache-control: public, max-age=31536000, immutable\netag: *"},
	{"GET /files/app.3f2a91bc.js\nif-none-match: \"x\"\nif-none-match: *", "304\ncache-control: public, max-age=31536000, immutable\netag: *"},
	{"GET /files/app.3f2a91bc.js\nif-match: \"x\"", "412\ncache-control: no-cache\nlength 0"},
	{"GET /files/zero.txt", "200\ncontent-type: text/plain; charset=utf-8\nlength 0\naccept-ranges: bytes\ncache-control: no-cache\netag: *\nlast-modified: Wed, 04 Mar 2026 05:06:07 GMT"},
	{"GET /files/none.css", "404\ncontent-type: text/html; charset=utf-8\ncache-control: no-cache\nvary: Accept, Sec-Fetch-Dest\nlength 4\n\nnone"},
	{"HEAD /files/none.css", "404\ncontent-type: text/html; charset=utf-8\ncache-control: no-cache\nvary: Accept, Sec-Fetch-Dest\nlength 4"},
	{"GET /files/%2e%2e%2fetc%2fpasswd", "400\ncontent-type: application/problem+json\n\ninvalid_input: the path's dot segments lead to another route; ask for it without them"},
	{"GET /files/a%2Fb", "404\ncontent-type: text/html; charset=utf-8\ncache-control: no-cache\nvary: Accept, Sec-Fetch-Dest\nlength 4\n\nnone"},
	{"GET /files/users/7\naccept: text/html", "200\ncontent-type: text/html; charset=utf-8\nlength 4\naccept-ranges: bytes\ncache-control: no-cache\nvary: Accept, Sec-Fetch-Dest, Accept-Encoding\netag: *\nlast-modified: Wed, 04 Mar 2026 05:06:07 GMT\n\nhome"},
	{"POST /files/\n\nbody", "405\nallow: GET, HEAD\ncontent-type: application/problem+json\n\nmethod_not_allowed: this address is for GET, HEAD"},
	{"OPTIONS /files/", "405\nallow: GET, HEAD\ncontent-type: application/problem+json\n\nmethod_not_allowed: this address is for GET, HEAD"},
	{"GET /files/docs/\n\na body that nobody wants", "200\ncontent-type: text/html; charset=utf-8\nlength 4\naccept-ranges: bytes\ncache-control: no-cache\netag: *\nlast-modified: Wed, 04 Mar 2026 05:06:07 GMT\n\ndocs"},
}

// Every carrier answers with files in the same way, from the disk and from memory.
//
// Seen red with the length of a HEAD's answer left out, with the end of the route's path
// not redirected, and with the request's body left unread on the loops.
func TestFiles(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		s.files.Files = served(t, teal.Static{NotFound: "404.html", Fallback: "index.html"}, static.NewMemory(1<<20), map[string]string{
			"index.html": "home", "index.html.br": "brotli", "app.3f2a91bc.js": "console", "zero.txt": "", "404.html": "none", "docs/index.html": "docs",
		})
		c := s.connect() // one connection for all
		for range 2 {
			for _, tt := range fileCases {
				c.send(parseAsk(t, tt.ask))
				got := c.reply(0)
				for i := range got.fields {
					if got.fields[i].name == "etag" && len(got.fields[i].value) == 24 {
						got.fields[i].value = "*"
					}
				}
				if got.String() != usual(tt.want) {
					t.Errorf("%s:\n%s\nwant\n%s", tt.ask, indent(got.String()), indent(usual(tt.want)))
				}
				if r := s.records.next(t); r.Component != "file" && r.Status != 400 || r.Status != got.status || r.Aborted || r.Out != int64(len(got.body)) && r.Code == "" {
					t.Errorf("%s: the record is %+v", tt.ask, r)
				}
			}
		}
	})
}

// A large file comes whole, also to a client that reads it late, and a part of it.
//
// Seen red with a piece sent twice behind a full socket.
func TestLargeFiles(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		s.files.Files = served(t, teal.Static{}, nil, map[string]string{"large.bin": large})
		if got := s.do("GET /files/large.bin"); got.body != large || !got.whole {
			t.Errorf("%d bytes of %d", len(got.body), len(large))
		}
		if got := s.do("GET /files/large.bin\nrange: bytes=100001-5000000"); got.body != large[100001:5000001] {
			t.Errorf("a part: %d with %d bytes", got.status, len(got.body))
		}
		c := s.connect()
		c.send(parseAsk(t, "GET /files/large.bin"))
		if got := c.reply(1); got.status != 200 {
			t.Fatalf("%d", got.status)
		}
		c.reset() // in the middle
		for range 3 {
			s.records.next(t)
		}
	})
}

// slow is a file on a disk that takes its time.
type slow struct {
	content   string
	opening   error
	reading   error
	asked     chan struct{} // gets one for each read that has to wait; nil for none
	answers   chan struct{} // what a read waits for
	isOpening bool          // opening waits, too
	closed    chan struct{} // gets one when it is closed
}

func (f *slow) Answer(r gateway.FileRequest) (gateway.FileAnswer, error) {
	if r.Path == "/quick" {
		return gateway.FileAnswer{Status: 200}, nil
	}
	return gateway.FileAnswer{Status: 200, File: f, Length: int64(len(f.content))}, nil
}

func (f *slow) Kept() []byte { return nil }

func (f *slow) wait() {
	if f.asked != nil {
		f.asked <- struct{}{}
		<-f.answers
	}
}

func (f *slow) Open() (gateway.OpenFile, error) {
	if f.isOpening {
		f.wait()
	}
	if f.opening != nil {
		return nil, f.opening
	}
	return &slowOpen{f, strings.NewReader(f.content)}, nil
}

type slowOpen struct {
	*slow
	*strings.Reader
}

func (f *slowOpen) ReadReady([]byte, int64) int { return 0 }

func (f *slowOpen) ReadAt(p []byte, at int64) (int, error) {
	if !f.isOpening {
		f.wait()
	}
	if f.reading != nil && at > 0 {
		return 0, f.reading
	}
	return f.Reader.ReadAt(p, at)
}

func (f *slowOpen) Close() error {
	if f.closed != nil {
		f.closed <- struct{}{}
	}
	return nil
}

// waiting is more than there are loops: each has one.
const waiting = 24

// A disk that has to be waited for holds up nobody else.
//
// Seen red with files opened and read on the loop.
func TestASlowDiskHoldsUpNobodyElse(t *testing.T) {
	for _, opening := range []bool{true, false} {
		t.Run(fmt.Sprintf("opening=%v", opening), func(t *testing.T) {
			each(t, exchange.Config{}, func(t *testing.T, s *site) {
				f := &slow{content: "slowly", asked: make(chan struct{}), answers: make(chan struct{}), isOpening: opening}
				s.files.Files = f
				answers := make(chan reply, waiting)
				for range waiting {
					c := s.connect()
					c.send(parseAsk(t, "GET /files/slow"))
					go func() { answers <- c.reply(0) }()
				}
				for range waiting {
					await.Value(t, "the disk to be asked", f.asked)
				}
				for range waiting {
					if got := s.do("GET /files/quick"); got.status != 200 {
						t.Errorf("beside it: %s", got)
					}
				}
				close(f.answers)
				for range waiting {
					if got := await.Value(t, "the file", answers); got.body != "slowly" {
						t.Errorf("%s", got)
					}
				}
			})
		})
	}
}

// Seen red with the file of a client that has gone left open.
func TestAClientThatGoesWhileTheDiskIsWaitedFor(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		f := &slow{content: large, asked: make(chan struct{}), answers: make(chan struct{}), closed: make(chan struct{}, 10)}
		s.files.Files = f
		c := s.connect()
		c.send(parseAsk(t, "GET /files/slow"))
		await.Value(t, "the disk to be asked", f.asked)
		c.reset()
		go func() { // whoever still reads
			for range f.asked {
			}
		}()
		close(f.answers)
		await.Value(t, "the file to be closed", f.closed)
		s.atRest()
		close(f.asked)
	})
}

// Seen red with the status of a file that cannot be opened sent before it was known, and
// with an answer that ends early ended as if it were whole.
func TestADiskThatFails(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		s.files.Files = &slow{content: "x", opening: errors.New("input/output error")}
		got := s.do("GET /files/x")
		expect(t, got, "500\ncontent-type: application/problem+json\n\ninternal: something inside the server failed")
		if sample := s.meters["file"].last(t, 1); sample.Status != 500 || sample.Fault != gateway.FaultStatus {
			t.Errorf("%+v", sample)
		}
		s.files.Files = &slow{content: large, reading: io.ErrUnexpectedEOF}
		got = s.do("GET /files/x")
		if sample := s.meters["file"].last(t, 2); got.whole || sample.Fault != gateway.FaultStatus {
			t.Errorf("%d bytes, whole: %v, %+v", len(got.body), got.whole, sample)
		}
	})
}

// What is on its way when the drain deadline has passed is cut off.
//
// Seen red with what was cancelled while the disk was waited for forgotten.
func TestFilesEndWithTheirEnvironment(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		f := &slow{content: large, asked: make(chan struct{}), answers: make(chan struct{})}
		s.files.Files = f
		c := s.connect()
		c.send(parseAsk(t, "GET /files/slow"))
		await.Value(t, "the disk to be asked", f.asked)
		s.env.Cancel()
		done := make(chan struct{})
		go func() {
			for {
				select {
				case <-f.asked:
				case <-done:
					return
				}
			}
		}()
		close(f.answers)
		if got := c.reply(0); got.whole && got.status == 200 {
			t.Errorf("%d with %d bytes, whole", got.status, len(got.body))
		}
		s.atRest()
		close(done)
	})
}
