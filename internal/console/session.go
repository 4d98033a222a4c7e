package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"teal/internal/access"
	"teal/internal/api"
)

// How long a session lasts: without a request, and in all.
const (
	sessionIdle = time.Hour
	sessionLife = 12 * time.Hour
)

// maxSessions bounds how many people are signed in; whoever has not been seen for the
// longest time is signed out first.
const maxSessions = 1000

const cookieName = "teal_console"

// sessions are who is signed in. They are in memory alone: a server that starts again asks
// everybody anew.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	byID map[[sha256.Size]byte]*session // by the hash of the cookie's value
}

// session is one browser that is signed in.
type session struct {
	caller access.Caller
	csrf   string // what its forms must have
	since  time.Time

	mu     sync.Mutex
	seen   time.Time
	notice notice // told on the next page
}

// notice is what became of an order, told once.
type notice struct {
	Text string
	Bad  bool
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byID: map[[sha256.Size]byte]*session{}}
}

func random() string {
	bytes := make([]byte, 32)
	_, _ = rand.Read(bytes) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(bytes)
}

// begin signs a caller in and sets the cookie.
func (s *sessions) begin(w http.ResponseWriter, r *http.Request, caller access.Caller) {
	value, now := random(), s.now()
	s.mu.Lock()
	s.expire(now)
	if len(s.byID) >= maxSessions {
		s.dropOldest()
	}
	s.byID[sha256.Sum256([]byte(value))] = &session{caller: caller, csrf: random(), since: now, seen: now}
	s.mu.Unlock()
	http.SetCookie(w, cookie(r, value, int(sessionLife.Seconds())))
}

func cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, Path: api.ConsolePath, MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	}
}

// of returns the session of a request; nil for none that holds. A request that a page makes
// by itself does not count as somebody being there.
func (s *sessions) of(r *http.Request, byItself bool) *session {
	sent, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	now := s.now()
	s.mu.Lock()
	found := s.byID[sha256.Sum256([]byte(sent.Value))]
	s.mu.Unlock()
	if found == nil || found.over(now) {
		return nil
	}
	if !byItself {
		found.mu.Lock()
		found.seen = now
		found.mu.Unlock()
	}
	return found
}

// over reports whether a session has ended by time.
func (s *session) over(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Sub(s.seen) >= sessionIdle || now.Sub(s.since) >= sessionLife
}

// tell keeps a notice for the next page.
func (s *session) tell(n notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notice = n
}

// told returns the notice that waits, and forgets it.
func (s *session) told() notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notice
	s.notice = notice{}
	return n
}

// proves reports whether a form has come from a page of this session.
func (s *session) proves(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	return subtle.ConstantTimeCompare([]byte(r.PostFormValue("csrf")), []byte(s.csrf)) == 1
}

// has reports whether a session is one that nobody has ended.
func (s *sessions) has(one *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.byID {
		if session == one {
			return true
		}
	}
	return false
}

// end signs a session out and takes the cookie back.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	if sent, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		delete(s.byID, sha256.Sum256([]byte(sent.Value)))
		s.mu.Unlock()
	}
	http.SetCookie(w, cookie(r, "", -1))
}

// expire and dropOldest are called under the lock.
func (s *sessions) expire(now time.Time) {
	for id, session := range s.byID {
		if session.over(now) {
			delete(s.byID, id)
		}
	}
}

func (s *sessions) dropOldest() {
	var oldest [sha256.Size]byte
	var at time.Time
	for id, session := range s.byID {
		session.mu.Lock()
		if at.IsZero() || session.seen.Before(at) {
			oldest, at = id, session.seen
		}
		session.mu.Unlock()
	}
	delete(s.byID, oldest)
}
