package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// CodeLife is how long a code can be used.
const CodeLife = time.Minute

// maxCodes bounds how many codes wait to be used; the oldest is given up first.
const maxCodes = 100

// Codes are one-time codes that let a browser in as whoever has asked for one. They are in
// memory alone, as hashes. Safe for concurrent use.
type Codes struct {
	now func() time.Time

	mu    sync.Mutex
	codes []code // oldest first
}

type code struct {
	hash   [sha256.Size]byte
	caller Caller
	until  time.Time
}

// NewCodes returns codes of which there is none. now nil is the clock.
func NewCodes(now func() time.Time) *Codes {
	if now == nil {
		now = time.Now
	}
	return &Codes{now: now}
}

// Create returns a code that stands for the caller, once, for CodeLife.
func (c *Codes) Create(caller Caller) string {
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails, see crypto/rand
	text := base64.RawURLEncoding.EncodeToString(random)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	if len(c.codes) >= maxCodes {
		c.codes = c.codes[1:]
	}
	c.codes = append(c.codes, code{sha256.Sum256([]byte(text)), caller, c.now().Add(CodeLife)})
	return text
}

// Redeem returns whom a code stands for, and makes it useless; false for one that there is
// not, or not any more.
func (c *Codes) Redeem(text string) (Caller, bool) {
	hash := sha256.Sum256([]byte(text))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	for i, candidate := range c.codes {
		if candidate.hash == hash {
			c.codes = append(c.codes[:i], c.codes[i+1:]...)
			return candidate.caller, true
		}
	}
	return Caller{}, false
}

func (c *Codes) expire() {
	now := c.now()
	for len(c.codes) > 0 && !c.codes[0].until.After(now) {
		c.codes = c.codes[1:]
	}
}
