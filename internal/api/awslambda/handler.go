package awslambda

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"teal"
	"teal/internal/access"
	"teal/internal/api/sigv4"
)

// KeyID is the id of the server's own access key; its secret is the server's own token.
const KeyID = "teal"

// Config is what a Handler needs.
type Config struct {
	Backend Backend
	Place   Place
	Secret  string // of the server's own access key; with an empty one nobody has it
	Keys    Keys   // of others; nil: there are none
	// Audit is where orders are noted, with where the app stands; nil: nowhere.
	Audit    *access.Audit
	Standing func(ctx context.Context, app string) string
	// Buckets is a folder whose folders stand for S3 buckets; "" is none.
	Buckets string
	// Unproven is what all bodies together may hold of clients whose signature
	// cannot be verified before the body is there; 0 is MaxUnproven.
	Unproven teal.Bytes
	Logger   *slog.Logger     // nil: nothing is logged
	Now      func() time.Time // nil: the clock
	// FunctionURL returns the address of the function URL with an id; nil: there
	// are none.
	FunctionURL func(id string) string
}

// Handler answers the API as an http.Handler.
type Handler struct {
	cfg     Config
	key     sigv4.Key
	updates inProgress
	// unproven is what the bodies of clients that have not proven yet who they are
	// may still hold.
	unproven atomic.Int64
}

// New returns a handler. It starts nothing.
func New(cfg Config) *Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Handler{
		cfg:     cfg,
		key:     sigv4.Key{ID: KeyID, Secret: cfg.Secret, Region: cfg.Place.Region, Service: "lambda"},
		updates: inProgress{busy: map[string]bool{}},
	}
	h.unproven.Store(int64(cmp.Or(cfg.Unproven, MaxUnproven)))
	return h
}

const (
	headerRequestID = "X-Amzn-Requestid"
	headerErrorType = "X-Amzn-Errortype"
)

// datePattern is how every path of the API begins.
var datePattern = regexp.MustCompile(`^/20\d\d-\d\d-\d\d/`)

// Owns reports whether a path belongs to this API, or to the code that it hands
// out.
func Owns(path string) bool {
	return datePattern.MatchString(path) || strings.HasPrefix(path, codePath)
}

// request is one call, its signature checked.
type request struct {
	ctx    context.Context
	op     string // the operation's name
	http   *http.Request
	params map[string]string // from the path
	query  url.Values
	body   []byte
	id     string
}

// reply is an answer that is not one JSON document.
type reply struct {
	status  int
	headers map[string]string
	body    []byte
	// stream writes the answer instead. An error means that nothing has been
	// written.
	stream func(w http.ResponseWriter) error
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{ctx: r.Context(), http: r, query: r.URL.Query(), id: uuid.NewString()}
	w.Header().Set(headerRequestID, q.id)
	if err := h.serve(w, q); err != nil {
		fault, report := faultOf(err)
		if report && r.Context().Err() == nil {
			h.cfg.Logger.Error("Lambda API: request failed", "method", r.Method, "path", r.URL.Path, "request", q.id, "error", err)
		}
		if q.body == nil && r.ContentLength != 0 {
			answerUnread(w)
		}
		fault.write(w)
	}
}

// answerUnread has the answer go out before the body has come: who has proven
// nothing does not keep the server reading. The connection ends with it, because
// net/http reads the rest of such a body beside the next request, and panics.
func answerUnread(w http.ResponseWriter) {
	_ = http.NewResponseController(w).EnableFullDuplex() // net/http's own connections can
	w.Header().Set("Connection", "close")
}

func (h *Handler) serve(w http.ResponseWriter, q *request) error {
	key, caller := h.keyOf(q.http)
	signature, err := key.Parse(q.http, h.cfg.Now())
	if err != nil {
		return err
	}
	op, params := find(q.http.Method, q.http.URL.EscapedPath(), q.query)
	limit := int64(maxBody)
	if op != nil && op.bodyLimit > 0 {
		limit = op.bodyLimit
	}
	proven, err := key.VerifyHead(signature)
	if err != nil {
		return err
	}
	read := bodyReader{limit: limit, op: op}
	if !proven {
		read.unproven = &h.unproven
	}
	defer read.release()
	if q.body, err = read.whole(q.http); err != nil {
		return err
	}
	if err := key.Verify(signature, q.body); err != nil {
		return err
	}
	if op == nil {
		return faultf(codeUnknownOperation, "There is no operation %s %s in the Lambda API.", q.http.Method, q.http.URL.Path)
	}
	if op.refused != "" {
		return unavailablef("%s: %s", op.name, op.refused)
	}
	q.op, q.params = op.name, params
	ended, err := h.permit(q, op, caller)
	if err != nil {
		return err
	}
	q.ctx = access.WithCaller(q.ctx, caller)
	answer, err := op.run(h, q)
	ended(err)
	if err != nil {
		return err
	}
	return send(w, op, answer)
}

// Limits on bodies.
const (
	maxBody      = 1 << 20
	maxCodeBody  = 70_167_211 // a zip of 50 MB in base64, and the rest of the request
	maxZip       = 50 << 20
	maxEvent     = int64(teal.MaxPayload) // synchronous
	maxAsyncSize = 1 << 20                // asynchronous; 256 KiB before October 2025
)

func tooLargeFault(limit int64, operation string) *Fault {
	code := codeBodyTooLarge
	if strings.HasPrefix(operation, "Invoke") {
		code = codeTooLarge
	}
	if operation == "Invoke" {
		operation = "InvokeFunction" // as AWS calls it there
	}
	return faultf(code, "Request must be smaller than %d bytes for the %s operation", limit, operation)
}

// send writes an answer in the operation's form.
func send(w http.ResponseWriter, op *operation, answer any) error {
	if own, ok := answer.(*reply); ok {
		for name, value := range own.headers {
			w.Header().Set(name, value)
		}
		if own.stream != nil {
			return own.stream(w)
		}
		w.WriteHeader(own.status)
		_, _ = w.Write(own.body) // whoever has gone needs no answer
		return nil
	}
	if op.status == http.StatusNoContent {
		w.WriteHeader(op.status)
		return nil
	}
	if answer == nil {
		answer = struct{}{}
	}
	data, err := json.Marshal(answer)
	if err != nil {
		return err // becomes a ServiceException
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(op.status)
	_, _ = w.Write(data)
	return nil
}

// decode reads the body as the operation's input.
func (q *request) decode(into any) error {
	if len(q.body) == 0 {
		return nil
	}
	err := json.Unmarshal(q.body, into)
	var kind *json.UnmarshalTypeError
	var encoding base64.CorruptInputError
	switch {
	case errors.As(err, &kind):
		return faultf(codeSerialization, "%s can not be converted to the type of %s", strings.ToUpper(kind.Value)+"_VALUE", kind.Field)
	case errors.As(err, &encoding):
		return faultf(codeSerialization, "A blob in the request is not base64: %s", encoding)
	case err != nil:
		return faultf(codeContent, "Could not parse request body into json: %s", err)
	}
	return nil
}

// target returns the function that the request's path and query name.
func (h *Handler) target(q *request) (target, error) {
	return h.targetOf(q, anyQualifier, nil)
}

// targetOf is target by a rule of its own for the qualifier, of a request with whose
// other values something is wrong already.
func (h *Handler) targetOf(q *request, qualifier textRule, further violations) (target, error) {
	return h.cfg.Place.parse(spelled{
		name: q.params["FunctionName"], rule: nameRule(q.op),
		qualifier: q.query.Get("Qualifier"), qualifierRule: qualifier, furtherMistakes: further,
	})
}
