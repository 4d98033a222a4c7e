package awslambda

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"teal/internal/api/sigv4"
)

// What has no meaning on Teal is refused with a sentence, in AWS's form, and
// before anything else is looked at.
func TestEveryRefusedOperationSaysWhy(t *testing.T) {
	t.Parallel()
	key := sigv4.Key{ID: KeyID, Secret: "s", Region: here.Region, Service: "lambda"}
	h := New(Config{Place: here, Secret: "s"})
	refused := 0
	for _, op := range operations {
		if op.refused == "" {
			continue
		}
		refused++
		path := strings.NewReplacer("{", "", "}", "").Replace(op.path)
		u, err := url.Parse("http://127.0.0.1" + path)
		if err != nil {
			t.Fatal(err)
		}
		if op.method != http.MethodGet { // Presign is for GET; the handler is asked without a signature's help
			found, _ := find(op.method, path[:len(path)-len(u.RawQuery)], u.Query())
			if found == nil || found.name != op.name {
				t.Errorf("%s %s leads to %v", op.method, path, found)
			}
			continue
		}
		signed, err := url.Parse(key.Presign(u, time.Now(), time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(op.method, signed.RequestURI(), nil)
		r.Host = u.Host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var said struct{ Type, Message string }
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Errorf("%s: %s", op.name, w.Body)
		}
		if w.Code != 400 || w.Header().Get("X-Amzn-Errortype") != codeInvalidParameter || !strings.Contains(said.Message, op.name) || !strings.Contains(said.Message, "docs/aws.md") {
			t.Errorf("%s: %d %s", op.name, w.Code, w.Body)
		}
	}
	if refused == 0 {
		t.Error("no operation is refused: nothing was tested")
	}
}
