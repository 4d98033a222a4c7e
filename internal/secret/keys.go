package secret

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"teal"
	"teal/internal/atomicfile"
	"teal/internal/process"
)

// KeysConfig says where the keys are. One of the two is set.
type KeysConfig struct {
	// File holds keys as age-keygen writes them, one a line. It is made when the first
	// secret is set.
	File string
	// Command is run by sh, and prints what such a file holds.
	Command string
}

// Keys are what secrets are encrypted with. The first one encrypts; every one decrypts
// what it has encrypted, so that a new key is put before the old one and the old one
// stays until nothing needs it. They are read when they are first needed, and again when
// one is needed that was not there. Safe for concurrent use.
type Keys struct {
	cfg KeysConfig

	mu     sync.Mutex
	known  []key
	failed time.Time // when the command was last run in vain
	err    error     // of that run
}

type key struct {
	identity  age.Identity
	recipient age.Recipient
	name      string // the public half
}

// NewKeys returns keys that are read when they are needed.
func NewKeys(cfg KeysConfig) *Keys { return &Keys{cfg: cfg} }

// Bounds of what is read of keys.
const (
	maxKeys        = 64 << 10 // bytes
	commandTimeout = 30 * time.Second
	commandAgain   = 10 * time.Second // after a run in vain
)

// errNoKey says that there is no key at all, not even one that cannot be used.
var errNoKey = errors.New("secret: there is no key")

// sealing returns the key that encrypts. With create it is made where there is none.
func (k *Keys) sealing(ctx context.Context, create bool) (key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.known) == 0 {
		err := k.read(ctx)
		if errors.Is(err, errNoKey) && create && k.cfg.Command == "" {
			err = k.make()
		}
		if err != nil {
			return key{}, err
		}
	}
	return k.known[0], nil
}

// named returns the key with a public half. The error says, for people, why it is not
// there.
func (k *Keys) named(ctx context.Context, name string) (key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if found, ok := k.find(name); ok {
		return found, nil
	}
	if err := k.read(ctx); err != nil && !errors.Is(err, errNoKey) {
		return key{}, err
	}
	if found, ok := k.find(name); ok {
		return found, nil
	}
	return key{}, teal.Errorf(teal.CodeSecretUnavailable, "the key that it is encrypted with, %s, is not in %s", name, k.place())
}

func (k *Keys) find(name string) (key, bool) {
	for _, known := range k.known {
		if known.name == name {
			return known, true
		}
	}
	return key{}, false
}

// place says where the keys are.
func (k *Keys) place() string {
	if k.cfg.Command != "" {
		return "what the command for the key prints"
	}
	return k.cfg.File
}

// make writes a new key. The caller holds the lock.
func (k *Keys) make() error {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return fmt.Errorf("make a key for secrets: %w", err)
	}
	text := fmt.Sprintf("# The key of this server's secrets: without it nobody can read them, with it anybody can.\n# public key: %s\n%s\n", identity.Recipient(), identity)
	if err := atomicfile.Write(k.cfg.File, []byte(text)); err != nil {
		return err
	}
	k.known = []key{{identity, identity.Recipient(), identity.Recipient().String()}}
	return nil
}

// read reads the keys anew. What it cannot read it leaves as it was. The caller holds
// the lock.
func (k *Keys) read(ctx context.Context) error {
	var text []byte
	var err error
	if k.cfg.Command == "" {
		text, err = k.readFile()
	} else {
		text, err = k.runCommand(ctx)
	}
	if err != nil {
		return err
	}
	known, err := parseKeys(text)
	if err != nil {
		return teal.Errorf(teal.CodeSecretUnavailable, "the key of secrets cannot be used: %s %s; put the right key there, see `teal doctor`", k.place(), err)
	}
	k.known = known
	return nil
}

func (k *Keys) readFile() ([]byte, error) {
	file, err := os.Open(k.cfg.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoKey
	}
	if err != nil {
		return nil, teal.Errorf(teal.CodeSecretUnavailable, "the key of secrets cannot be read: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeys+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, teal.Errorf(teal.CodeSecretUnavailable, "the key of secrets cannot be read: %w", err)
	}
	return text, nil
}

// runCommand has a key that nobody has at hand, because a vault is down, not be asked
// for without end.
func (k *Keys) runCommand(ctx context.Context) ([]byte, error) {
	if k.err != nil && time.Since(k.failed) < commandAgain {
		return nil, k.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commandTimeout)
	defer cancel()
	var out, said bounded
	cmd := process.Command(ctx, "/bin/sh", "-c", k.cfg.Command)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &said, time.Second
	err := cmd.Run()
	k.err, k.failed = nil, time.Now()
	if err != nil {
		k.err = teal.Errorf(teal.CodeSecretUnavailable, "the command for the key of secrets has failed: %s", cmp.Or(said.lastLine(), err.Error()))
	}
	return out.text, k.err
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ text []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), maxKeys+1-len(b.text))]...)
	return len(p), nil
}

var secretKey = regexp.MustCompile(`(?i)AGE-SECRET-KEY-\S*`)

// lastLine returns the last line, for people.
func (b *bounded) lastLine() string {
	lines := strings.Split(strings.TrimSpace(string(b.text)), "\n")
	line := secretKey.ReplaceAllString(strings.ToValidUTF8(lines[len(lines)-1], "?"), "AGE-SECRET-KEY-…")
	return line[:min(len(line), 200)]
}

// parseKeys reads keys. Its errors show nothing of the text.
func parseKeys(text []byte) ([]key, error) {
	if len(text) > maxKeys {
		return nil, fmt.Errorf("has more than %d bytes", maxKeys)
	}
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil { // it quotes the line
		return nil, errors.New("holds no key of age, which begins AGE-SECRET-KEY-1")
	}
	known := make([]key, len(identities))
	for i, identity := range identities {
		switch id := identity.(type) {
		case *age.X25519Identity:
			known[i] = key{id, id.Recipient(), id.Recipient().String()}
		case *age.HybridIdentity:
			known[i] = key{id, id.Recipient(), id.Recipient().String()}
		default:
			return nil, errors.New("holds a key of a kind that is not known")
		}
	}
	return known, nil
}
