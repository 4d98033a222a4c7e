package logs

import "testing"

// Seen red without the look at the first byte, and with words compared as they are.
func TestTellsTrouble(t *testing.T) {
	for text, want := range map[string]bool{
		"KeyError: 'price'":                     true,
		"[ERROR] RuntimeError: no":              true,
		"panic: runtime error":                  true,
		"Unhandled Exception":                   true,
		"FATAL:  role \"app\" does not exist":   true,
		"CRITICAL out of stock":                 true,
		`{"level":"error","msg":"no database"}`: true,
		"":                                      false,
		"err":                                   false,
		"[INFO] Booting worker with pid: 12":    false,
		`    raise ValueError("x")`:             false,
		"\tat Error (index.js:1)":               false,
		"listening on 8080":                     false,
	} {
		if got := TellsTrouble(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	long := make([]byte, 1<<16)
	if n := testing.AllocsPerRun(100, func() { TellsTrouble(string(long[:32])) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTellsTrouble(b *testing.B) {
	const text = `10.0.0.1 - - [01/Dec/2026:04:05:06 +0000] "GET /items/42 HTTP/1.1" 200 512 "-" "curl/8.5"`
	for b.Loop() {
		TellsTrouble(text)
	}
}
