package service

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"teal"
)

func TestTheGRPCProbe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status, body, want string
	}{
		"serving":       {"0", "\x00\x00\x00\x00\x02\x08\x01", ""},
		"not serving":   {"0", "\x00\x00\x00\x00\x02\x08\x02", "not serving"},
		"unknown":       {"0", "\x00\x00\x00\x00\x00", "not serving"},
		"no service":    {"12", "", "register gRPC's health service"},
		"an error":      {"14", "", "status 14: not yet"},
		"not gRPC":      {"", "hello", "is it a gRPC server?"},
		"broken answer": {"0", "", "not serving"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked, _ := io.ReadAll(r.Body); r.ProtoMajor != 2 || r.URL.Path != grpcHealth || string(asked) != string(askHealth) {
					w.WriteHeader(http.StatusTeapot)
				}
				if c.status != "" {
					w.Header().Set(http.TrailerPrefix+"Grpc-Status", c.status)
					w.Header().Set(http.TrailerPrefix+"Grpc-Message", "not%20yet")
				}
				_, _ = io.WriteString(w, c.body)
			}))
			server.Config.Protocols = &http.Protocols{}
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.Start()
			defer server.Close()
			set := newUpstream(t, &teal.Upstream{URLs: []string{server.URL}, Protocol: teal.ProtocolH2C,
				Health: teal.Health{Path: grpcHealth, Interval: teal.Duration(patience), Timeout: teal.Duration(patience), Failures: 1}})
			err := set.probe(server.URL+grpcHealth, "HERE").check(t.Context())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func newUpstream(t *testing.T, u *teal.Upstream) *Set {
	t.Helper()
	set, err := New(Config{App: "a", Version: 1, Name: "u", Upstream: u})
	if err != nil {
		t.Fatal(err)
	}
	return set
}
