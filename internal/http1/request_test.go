package http1

import (
	"errors"
	"strings"
	"testing"
)

var roomy = Limits{Bytes: 64 << 10, Fields: 100}

func parseRequest(text string) (*Request, int, error) {
	r := &Request{}
	n, err := r.Parse([]byte(text), roomy)
	return r, n, err
}

func TestRequest(t *testing.T) {
	const head = "POST /a%2Fb?x=1&y=%zz HTTP/1.1\r\nhOsT: Shop.Example:80\r\nX-A:  one two\t\r\nX-Empty:\r\nContent-Length: 12\r\nConnection: X-Hop, , keep-alive\r\nx-hop: 1\r\n\r\n"
	r, n, err := parseRequest(head + "body")
	if err != nil || n != len(head) {
		t.Fatalf("%d, %v", n, err)
	}
	if string(r.Method) != "POST" || string(r.Path) != "/a%2Fb" || string(r.Query) != "?x=1&y=%zz" || string(r.Host) != "Shop.Example:80" ||
		r.Minor != 1 || r.Length() != 12 || r.Close() || r.Upgrades() || r.ExpectContinue {
		t.Errorf("%+v", r)
	}
	want := []struct {
		kind        Kind
		name, value string
	}{{Host, "hOsT", "Shop.Example:80"}, {EndToEnd, "X-A", "one two"}, {EndToEnd, "X-Empty", ""}, {ContentLength, "Content-Length", "12"}, {Connection, "Connection", "X-Hop, , keep-alive"}, {HopByHop, "x-hop", "1"}}
	for i, w := range want {
		if r.Kind(i) != w.kind || string(r.Name(i)) != w.name || string(r.Value(i)) != w.value {
			t.Errorf("field %d: %v %q %q, want %v", i, r.Kind(i), r.Name(i), r.Value(i), w)
		}
	}
	if v, ok := r.Get("x-a"); !ok || string(v) != "one two" || r.Len() != len(want) {
		t.Errorf("x-a: %q, %d fields", v, r.Len())
	}
}

// A head that arrives byte by byte, elsewhere in memory each time, is the same
// head, and an error comes with the first byte that makes it one.
func TestHeadsArriveInPieces(t *testing.T) {
	const head = "\r\nPUT http://x.example?q HTTP/1.1\r\nHost: y\r\nTransfer-Encoding: chunked\r\n\r\n"
	r := &Request{}
	for i := range len(head) + 1 {
		n, err := r.Parse([]byte(head[:i]), roomy)
		if err != nil || (n != 0) != (i == len(head)) {
			t.Fatalf("after %d bytes: %d, %v", i, n, err)
		}
	}
	if string(r.Host) != "x.example" || string(r.Path) != "/" || string(r.Query) != "?q" || r.Length() != Chunked {
		t.Errorf("%s %s %s %d", r.Host, r.Path, r.Query, r.Length())
	}
	for _, bad := range []string{"GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost : x\r\n", "GET  / HTTP/1.1\r\n"} {
		if _, _, err := parseRequest(bad); err == nil {
			t.Errorf("%q is waited on", bad)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, tt := range []struct{ line, host, path, query string }{
		{"GET / HTTP/1.1", "h", "/", ""},
		{"GET //a/../b HTTP/1.1", "h", "//a/../b", ""},
		{"GET /? HTTP/1.1", "h", "/", "?"},
		{"OPTIONS * HTTP/1.1", "h", "*", ""},
		{"GET HTTP://Other:81/p?q HTTP/1.1", "Other:81", "/p", "?q"},
		{"GET https://[::1]:8080 HTTP/1.1", "[::1]:8080", "/", ""},
		{"GET http://a?http://b/ HTTP/1.1", "a", "/", "?http://b/"},
	} {
		r, _, err := parseRequest(tt.line + "\r\nHost: h\r\n\r\n")
		if err != nil || string(r.Host) != tt.host || string(r.Path) != tt.path || string(r.Query) != tt.query {
			t.Errorf("%s: %s %s %s, %v", tt.line, r.Host, r.Path, r.Query, err)
		}
	}
}

// Each of these has been an attack on a pair of servers that read it in two
// ways, or opens the way to one.
func TestRequestsThatAreRefused(t *testing.T) {
	h := "Host: x\r\n"
	for name, tt := range map[string]struct {
		status int
		head   string
	}{
		"both lengths":            {400, "POST / HTTP/1.1\r\n" + h + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"},
		"both, other order":       {400, "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"},
		"repeated length":         {400, "POST / HTTP/1.1\r\n" + h + "Content-Length: 4\r\nContent-Length: 4\r\n\r\n"},
		"list of lengths":         {400, "POST / HTTP/1.1\r\n" + h + "Content-Length: 4, 4\r\n\r\n"},
		"signed length":           {400, "POST / HTTP/1.1\r\n" + h + "Content-Length: +4\r\n\r\n"},
		"negative length":         {400, "POST / HTTP/1.1\r\n" + h + "Content-Length: -4\r\n\r\n"},
		"hex length":              {400, "POST / HTTP/1.1\r\n" + h + "Content-Length: 0x4\r\n\r\n"},
		"length with underscore":  {400, "POST / HTTP/1.1\r\n" + h + "Content-Length: 1_0\r\n\r\n"},
		"empty length":            {400, "POST / HTTP/1.1\r\n" + h + "Content-Length:\r\n\r\n"},
		"length that overflows":   {400, "POST / HTTP/1.1\r\n" + h + "Content-Length: 18446744073709551620\r\n\r\n"},
		"bare LF":                 {400, "GET / HTTP/1.1\r\n" + h + "A: b\nB: c\r\n\r\n"},
		"bare LF at the end":      {400, "GET / HTTP/1.1\r\n" + h + "\n"},
		"bare LF, request line":   {400, "GET / HTTP/1.1\n" + h + "\r\n"},
		"bare CR in value":        {400, "GET / HTTP/1.1\r\n" + h + "A: b\rB: c\r\n\r\n"},
		"bare CR in name":         {400, "GET / HTTP/1.1\r\n" + h + "A\r: b\r\n\r\n"},
		"bare CR in request line": {400, "GET /\r HTTP/1.1\r\n" + h + "\r\n"},
		"double CR":               {400, "GET / HTTP/1.1\r\n" + h + "A: b\r\r\n\r\n"},
		"space before colon":      {400, "GET / HTTP/1.1\r\n" + h + "Content-Length : 4\r\n\r\n"},
		"tab before colon":        {400, "GET / HTTP/1.1\r\n" + h + "Transfer-Encoding\t: chunked\r\n\r\n"},
		"fold":                    {400, "GET / HTTP/1.1\r\n" + h + "A: b\r\n c\r\n\r\n"},
		"fold with tab":           {400, "GET / HTTP/1.1\r\n" + h + "Transfer-Encoding:\r\n\tchunked\r\n\r\n"},
		"space before the first":  {400, "GET / HTTP/1.1\r\n Host: x\r\n\r\n"},
		"NUL in value":            {400, "GET / HTTP/1.1\r\n" + h + "A: b\x00c\r\n\r\n"},
		"DEL in value":            {400, "GET / HTTP/1.1\r\n" + h + "A: 12345678\x7f\r\n\r\n"},
		"escape in value":         {400, "GET / HTTP/1.1\r\n" + h + "A: \x1b[0m\r\n\r\n"},
		"vertical tab in coding":  {400, "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: \x0bchunked\r\n\r\n"},
		"no colon":                {400, "GET / HTTP/1.1\r\n" + h + "A\r\n\r\n"},
		"empty name":              {400, "GET / HTTP/1.1\r\n" + h + ": a\r\n\r\n"},
		"byte in name":            {400, "GET / HTTP/1.1\r\n" + h + "A\x80: a\r\n\r\n"},
		"no host":                 {400, "GET / HTTP/1.1\r\n\r\n"},
		"two hosts":               {400, "GET / HTTP/1.1\r\n" + h + h + "\r\n"},
		"host with path":          {400, "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n"},
		"host with user":          {400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"},
		"list of hosts":           {400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
		"host with space":         {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
		"host with two ports":     {400, "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"},
		"host with odd port":      {400, "GET / HTTP/1.1\r\nHost: a:8o\r\n\r\n"},
		"host with bad bracket":   {400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
		"target with user":        {400, "GET http://a@b/ HTTP/1.1\r\n" + h + "\r\n"},
		"target without host":     {400, "GET http:///p HTTP/1.1\r\n" + h + "\r\n"},
		"unknown scheme":          {400, "GET ftp://a/ HTTP/1.1\r\n" + h + "\r\n"},
		"target without slash":    {400, "GET a HTTP/1.1\r\n" + h + "\r\n"},
		"star for GET":            {400, "GET * HTTP/1.1\r\n" + h + "\r\n"},
		"fragment":                {400, "GET /#a HTTP/1.1\r\n" + h + "\r\n"},
		"byte in target":          {400, "GET /\xff HTTP/1.1\r\n" + h + "\r\n"},
		"bad escape":              {400, "GET /%2 HTTP/1.1\r\n" + h + "\r\n"},
		"CONNECT":                 {400, "CONNECT a:443 HTTP/1.1\r\n" + h + "\r\n"},
		"two spaces":              {400, "GET  / HTTP/1.1\r\n" + h + "\r\n"},
		"space at the end":        {400, "GET / HTTP/1.1 \r\n" + h + "\r\n"},
		"tabs":                    {400, "GET\t/\tHTTP/1.1\r\n" + h + "\r\n"},
		"method with byte":        {400, "GE\x00T / HTTP/1.1\r\n" + h + "\r\n"},
		"no version":              {400, "GET /\r\n" + h + "\r\n"},
		"lower-case version":      {400, "GET / http/1.1\r\n" + h + "\r\n"},
		"two empty lines first":   {400, "\r\n\r\nGET / HTTP/1.1\r\n" + h + "\r\n"},
		"HTTP/1.2":                {505, "GET / HTTP/1.2\r\n" + h + "\r\n"},
		"HTTP/2.0":                {505, "PRI * HTTP/2.0\r\n\r\n"},
		"HTTP/0.9":                {505, "GET / HTTP/0.9\r\n" + h + "\r\n"},
		"gzip":                    {501, "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
		"identity":                {501, "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: identity\r\n\r\n"},
		"xchunked":                {501, "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: xchunked\r\n\r\n"},
		"quoted coding":           {501, "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: \"chunked\"\r\n\r\n"},
		"two codings":             {400, "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
		"chunked, then identity":  {400, "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"},
		"coding in 1.0":           {400, "POST / HTTP/1.0\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n"},
		"odd expectation":         {417, "POST / HTTP/1.1\r\n" + h + "Expect: gold\r\n\r\n"},
		"odd connection":          {400, "GET / HTTP/1.1\r\n" + h + "Connection: a b\r\n\r\n"},
		"large":                   {431, "GET / HTTP/1.1\r\n" + h + "A: " + strings.Repeat("x", 70<<10) + "\r\n\r\n"},
		"large, unfinished":       {431, "GET /" + strings.Repeat("x", 70<<10)},
		"many fields":             {431, "GET / HTTP/1.1\r\n" + h + strings.Repeat("A: b\r\n", 100) + "\r\n"},
	} {
		r, n, err := parseRequest(tt.head)
		if refused := (*Error)(nil); !errors.As(err, &refused) || refused.Status != tt.status || refused.Reason == "" {
			t.Errorf("%s: %v, want %d; n = %d, %+v", name, err, tt.status, n, r)
		}
	}
}

// What frames and routes a message cannot be hidden by naming it in Connection.
func TestConnectionCannotHideTheHost(t *testing.T) {
	r, _, err := parseRequest("POST / HTTP/1.1\r\nHost: x\r\nConnection: Host, Content-Length, Cookie\r\nContent-Length: 3\r\nCookie: a\r\n\r\n")
	if err != nil || r.Length() != 3 || string(r.Host) != "x" || r.Kind(0) != Host || r.Kind(2) != ContentLength || r.Kind(3) != HopByHop {
		t.Errorf("%v %+v", err, r)
	}
}

func TestHTTP10(t *testing.T) {
	r, n, err := parseRequest("GET / HTTP/1.0\r\nExpect: 100-continue\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
	if err != nil || n == 0 || !r.Close() || r.ExpectContinue || r.Upgrades() {
		t.Errorf("%v %+v", err, r)
	}
}

const typicalRequest = "GET /api/items/42?full=1 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: session=0123456789abcdef0123456789abcdef\r\nConnection: keep-alive\r\n\r\n"

func TestParsingAllocatesNothing(t *testing.T) {
	request, response, body := []byte(typicalRequest), []byte(typicalResponse), []byte("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
	var q Request
	var p Response
	var b Body
	out := make([]byte, 0, 4096)
	run := func() {
		q.Reset()
		p.Reset()
		n, _ := q.Parse(request, roomy)
		m, _ := p.Parse(response, roomy)
		b.Reset(Chunked)
		for data := body; !b.Done(); {
			_, took, _ := b.Next(data)
			data = data[took:]
		}
		out = q.AppendRequestLine(out[:0], "/base", "/items/1")
		out = AppendStatusLine(out, p.Status, p.Reason)
		out = AppendTrailer(AppendLength(out, 12345), b.Trailer(), func([]byte) bool { return true })
		if n != len(request) || m != len(response) {
			t.Fatal("not parsed")
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
	refused := []byte("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() { q.Reset(); _, _ = q.Parse(refused, roomy) }); n != 0 {
		t.Errorf("%v allocations for a refusal", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	data := []byte(typicalRequest)
	var r Request
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		r.Reset()
		if n, err := r.Parse(data, roomy); n == 0 || err != nil {
			b.Fatal(err)
		}
	}
}
