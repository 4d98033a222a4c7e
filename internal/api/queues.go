package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
)

// Queues are message queues. A queue that does not exist is a CodeUnknownQueue, but for
// Send, which makes it.
type Queues interface {
	Queues(ctx context.Context) ([]QueueView, error) // by name
	Queue(ctx context.Context, name string) (QueueView, error)
	QueueMessages
	QueueOperator
}

// QueueMessages is what programs do with queues.
type QueueMessages interface {
	// Send accepts messages: they are durable when it returns. CodeQueueFull says that
	// the queue has as much as it may have.
	Send(ctx context.Context, name string, messages []MessageBody) ([]SentMessage, error)
	// Receive returns messages, and blocks until there is one, for as long as asked.
	Receive(ctx context.Context, name string, r ReceiveBody) ([]ReceivedMessage, error)
	// Finish says what became of messages that were received.
	Finish(ctx context.Context, name string, results []MessageResult) error
	// Extend has received messages stay their receiver's for longer.
	Extend(ctx context.Context, name string, e ExtendBody) error
}

// QueueOperator looks after messages that nobody could work on.
type QueueOperator interface {
	DeadLetters(ctx context.Context, name string, most int) ([]DeadLetter, error) // the newest first
	// Redrive puts dead letters back: those that are named, or all.
	Redrive(ctx context.Context, name string, ids []string) (n int, err error)
	// Purge removes what waits, or the dead letters.
	Purge(ctx context.Context, name string, dead bool) (n int, err error)
}

// QueueView is a queue.
type QueueView struct {
	Name      string        `json:"name"`
	CreatedAt time.Time     `json:"created_at"`
	Waiting   int           `json:"waiting" doc:"Messages that could be given out"`
	Delayed   int           `json:"delayed" doc:"Messages that are not due yet: sent with a delay, or waiting for their next try"`
	InFlight  int           `json:"in_flight" doc:"Messages that are being worked on"`
	Dead      int           `json:"dead" doc:"Messages that nobody could work on"`
	Bytes     teal.Bytes    `json:"bytes" doc:"Of all messages but the dead letters"`
	Oldest    teal.Duration `json:"oldest" doc:"How long the oldest message that is not finished has been there"`
	SentRate  float64       `json:"sent_per_second" doc:"Over the last minute"`
	DoneRate  float64       `json:"finished_per_second" doc:"Over the last minute"`
}

// QueueList is the answer of GET /v1/queues.
type QueueList struct {
	Queues []QueueView `json:"queues"`
}

// MessageAttribute is what a producer says about a message besides its body.
type MessageAttribute struct {
	Type  string `json:"type" enum:"String,Number,Binary"`
	Value string `json:"value" doc:"Of Binary in base64"`
}

// MessageBody is a message that is to be sent.
type MessageBody struct {
	Body          string                      `json:"body"`
	Attributes    map[string]MessageAttribute `json:"attributes,omitempty"`
	Group         string                      `json:"group,omitempty" maxLength:"128" doc:"Messages of one group are worked on in the order in which they were sent"`
	Deduplication string                      `json:"deduplication_id,omitempty" maxLength:"128" doc:"A second message with it within five minutes is dropped"`
	Delay         teal.Duration               `json:"delay,omitempty" doc:"Before it is given out, such as 30s"`
}

// SendBody is the body of POST /v1/queues/{queue}/messages: one message, or several.
type SendBody struct {
	MessageBody
	Messages []MessageBody `json:"messages,omitempty" maxItems:"1000" doc:"In place of body: several messages, which are accepted together or not at all"`
}

// SentMessage is what became of a message that was sent.
type SentMessage struct {
	ID        string `json:"id"`
	Duplicate bool   `json:"duplicate,omitempty" doc:"A message with its deduplication ID was there: id is that one's"`
}

// SentList is the answer of POST /v1/queues/{queue}/messages.
type SentList struct {
	Messages []SentMessage `json:"messages"`
}

// ReceiveBody is the body of POST /v1/queues/{queue}/receive; it may be left out.
type ReceiveBody struct {
	Most       int           `json:"most,omitempty" minimum:"0" maximum:"1000" doc:"At most so many; left out: 1"`
	Wait       teal.Duration `json:"wait,omitempty" doc:"How long to wait for the first one, at most 20s"`
	Visibility teal.Duration `json:"visibility,omitempty" doc:"How long the messages are this receiver's alone, at most 12h; left out: 30s"`
	Retries    *int          `json:"retries,omitempty" minimum:"0" maximum:"100" doc:"Tries after the first one before a message is dead; left out: 3"`

	// App and Version are those of an instance that asks: messages belong to the version
	// then.
	App     string          `json:"-"`
	Version teal.VersionRef `json:"-"`
}

// ReceivedMessage is a message that was given out.
type ReceivedMessage struct {
	ID            string                      `json:"id"`
	Receipt       string                      `json:"receipt" doc:"Of this delivery of the message: say with it what became of it"`
	Body          string                      `json:"body"`
	Attributes    map[string]MessageAttribute `json:"attributes,omitempty"`
	Group         string                      `json:"group,omitempty"`
	Deduplication string                      `json:"deduplication_id,omitempty"`
	SentAt        time.Time                   `json:"sent_at"`
	Failures      int                         `json:"failures" doc:"How often it has failed before"`
}

// ReceivedList is the answer of POST /v1/queues/{queue}/receive.
type ReceivedList struct {
	Messages []ReceivedMessage `json:"messages"`
}

// MessageResult is what became of a message that was received.
type MessageResult struct {
	Receipt string        `json:"receipt" maxLength:"200"`
	Outcome string        `json:"outcome,omitempty" enum:"done,failed,untried" default:"done" doc:"done: finished; failed: it is tried again, or dead; untried: it is given out again and this was no try"`
	Reason  string        `json:"reason,omitempty" maxLength:"1000" doc:"Why it failed, for people"`
	After   teal.Duration `json:"after,omitempty" doc:"How soon it is tried again; left out: when its visibility is over"`
}

// FinishBody is the body of POST /v1/queues/{queue}/results.
type FinishBody struct {
	Results []MessageResult `json:"results" minItems:"1" maxItems:"1000"`
}

// ExtendBody is the body of POST /v1/queues/{queue}/extend.
type ExtendBody struct {
	Receipts   []string      `json:"receipts" minItems:"1" maxItems:"1000"`
	Visibility teal.Duration `json:"visibility" doc:"How long from now, at most 12h"`
}

// DeadLetter is a message that nobody could work on.
type DeadLetter struct {
	ID         string                      `json:"id"`
	Body       string                      `json:"body"`
	Attributes map[string]MessageAttribute `json:"attributes,omitempty"`
	Group      string                      `json:"group,omitempty"`
	SentAt     time.Time                   `json:"sent_at"`
	DiedAt     time.Time                   `json:"died_at"`
	Reason     string                      `json:"reason"`
	Failures   int                         `json:"failures"`
	App        string                      `json:"app,omitempty" doc:"Whose version had it last"`
	Version    *teal.VersionRef            `json:"version,omitempty"`
}

// DeadLetterList is the answer of GET /v1/queues/{queue}/dead.
type DeadLetterList struct {
	Dead []DeadLetter `json:"dead"`
}

// RedriveBody is the body of POST /v1/queues/{queue}/redrive; it may be left out.
type RedriveBody struct {
	Messages []string `json:"messages,omitempty" maxItems:"1000" doc:"IDs of dead letters; left out: all"`
}

// PurgeBody is the body of POST /v1/queues/{queue}/purge; it may be left out.
type PurgeBody struct {
	Dead bool `json:"dead,omitempty" doc:"Remove the dead letters, and not what waits"`
}

// MessageCount says of how many messages an order was.
type MessageCount struct {
	Messages int `json:"messages"`
}

// InQueue is the part of an input that names a queue.
type InQueue struct {
	Queue string `path:"queue" doc:"Name of the queue"`
}

func (in InQueue) validate() error { return teal.CheckName("queue", in.Queue) }

type sendInput struct {
	InQueue
	Upload
}

// maxSend bounds the body of a send: the messages in JSON, in which a byte may take six.
const maxSend = 8 << 20

type inQueueOf[T any] struct {
	InQueue
	Body *T
}

type deadInput struct {
	InQueue
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"20" doc:"At most so many"`
}

func (s *Server) registerQueues() {
	s.registerQueueViews()
	s.registerMessages()
	register(s, huma.Operation{
		OperationID: "redrive-queue", Method: http.MethodPost, Path: "/v1/queues/{queue}/redrive",
		Summary: "Put dead letters back into their queue, as if they had just been sent", Tags: []string{"queues"},
	}, func(ctx context.Context, in *inQueueOf[RedriveBody]) (*body[MessageCount], error) {
		ids := orZero(in.Body).Messages
		n, err := s.cfg.Queues.Redrive(ctx, in.Queue, ids)
		access.OrderOf(ctx).Note("%d messages", n)
		return &body[MessageCount]{MessageCount{n}}, err
	})
	register(s, huma.Operation{
		OperationID: "purge-queue", Method: http.MethodPost, Path: "/v1/queues/{queue}/purge",
		Summary: "Remove the messages that nobody works on, or the dead letters", Tags: []string{"queues"},
	}, func(ctx context.Context, in *inQueueOf[PurgeBody]) (*body[MessageCount], error) {
		n, err := s.cfg.Queues.Purge(ctx, in.Queue, orZero(in.Body).Dead)
		access.OrderOf(ctx).Note("%d messages", n)
		return &body[MessageCount]{MessageCount{n}}, err
	})
}

// orZero returns what a body says that may be left out.
func orZero[T any](body *T) T {
	if body == nil {
		return *new(T)
	}
	return *body
}

func (s *Server) registerQueueViews() {
	register(s, huma.Operation{
		OperationID: "list-queues", Method: http.MethodGet, Path: "/v1/queues",
		Summary: "All queues by name, with what waits in them", Tags: []string{"queues"},
	}, func(ctx context.Context, _ *struct{}) (*body[QueueList], error) {
		list, err := s.cfg.Queues.Queues(ctx)
		return &body[QueueList]{QueueList{append([]QueueView{}, list...)}}, err
	})
	register(s, huma.Operation{
		OperationID: "get-queue", Method: http.MethodGet, Path: "/v1/queues/{queue}",
		Summary: "What waits in a queue", Tags: []string{"queues"},
	}, func(ctx context.Context, in *InQueue) (*body[QueueView], error) {
		view, err := s.cfg.Queues.Queue(ctx, in.Queue)
		return &body[QueueView]{view}, err
	})
	register(s, huma.Operation{
		OperationID: "list-dead-letters", Method: http.MethodGet, Path: "/v1/queues/{queue}/dead",
		Summary: "Messages of a queue that nobody could work on, with the reason; the newest first", Tags: []string{"queues"},
	}, func(ctx context.Context, in *deadInput) (*body[DeadLetterList], error) {
		list, err := s.cfg.Queues.DeadLetters(ctx, in.Queue, in.Limit)
		return &body[DeadLetterList]{DeadLetterList{append([]DeadLetter{}, list...)}}, err
	})
}

func (s *Server) registerMessages() {
	sent := &huma.MediaType{}
	register(s, huma.Operation{
		OperationID: "send-messages", Method: http.MethodPost, Path: "/v1/queues/{queue}/messages", DefaultStatus: http.StatusAccepted,
		Summary:      "Send a message, or several; they are on the disk when this answers",
		Description:  "The queue is made by its first message. A queue that has as much as it may have answers 429 with the code queue_full and Retry-After.",
		Tags:         []string{"queues"},
		MaxBodyBytes: maxSend,
		// Read by the handler: huma would decode it twice, and there may be many. Without
		// a schema huma leaves it alone, so the document gets it afterwards.
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": sent}},
	}, s.sendMessages)
	sent.Schema = s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[SendBody](), true, "SendBody")
	register(s, huma.Operation{
		OperationID: "receive-messages", Method: http.MethodPost, Path: "/v1/queues/{queue}/receive",
		Summary: "Receive messages; say then with results what became of them, or they are given out again when their visibility is over", Tags: []string{"queues"},
	}, func(ctx context.Context, in *inQueueOf[ReceiveBody]) (*body[ReceivedList], error) {
		want, program := orZero(in.Body), programOf(ctx)
		want.App, want.Version = program.App, program.Version
		list, err := s.cfg.Queues.Receive(ctx, in.Queue, want)
		return &body[ReceivedList]{ReceivedList{append([]ReceivedMessage{}, list...)}}, err
	})
	register(s, huma.Operation{
		OperationID: "finish-messages", Method: http.MethodPost, Path: "/v1/queues/{queue}/results", DefaultStatus: http.StatusNoContent,
		Summary: "Say what became of messages that were received", Tags: []string{"queues"},
	}, func(ctx context.Context, in *struct {
		InQueue
		Body FinishBody
	}) (*struct{}, error) {
		return nil, s.cfg.Queues.Finish(ctx, in.Queue, in.Body.Results)
	})
	register(s, huma.Operation{
		OperationID: "extend-messages", Method: http.MethodPost, Path: "/v1/queues/{queue}/extend", DefaultStatus: http.StatusNoContent,
		Summary: "Have received messages stay their receiver's for longer", Tags: []string{"queues"},
	}, func(ctx context.Context, in *struct {
		InQueue
		Body ExtendBody
	}) (*struct{}, error) {
		return nil, s.cfg.Queues.Extend(ctx, in.Queue, in.Body)
	})
}

func (s *Server) sendMessages(ctx context.Context, in *sendInput) (*body[SentList], error) {
	data, err := io.ReadAll(limit(in.content, maxSend))
	if err != nil {
		return nil, err // problemOf knows the reader's errors
	}
	messages, err := readMessages(data)
	if err != nil {
		return nil, err
	}
	sent, err := s.cfg.Queues.Send(ctx, in.Queue, messages)
	return &body[SentList]{SentList{sent}}, err
}

// readMessages reads the body of a send.
func readMessages(data []byte) ([]MessageBody, error) {
	var in SendBody
	err := json.Unmarshal(data, &in)
	var own *teal.Error
	switch {
	case errors.As(err, &own):
		return nil, err
	case err != nil:
		return nil, teal.Errorf(teal.CodeInvalidInput, `the body is not {"body": "…"} or {"messages": [{"body": "…"}, …]}: %w`, err)
	case in.Messages == nil:
		return []MessageBody{in.MessageBody}, nil
	case in.Body != "":
		return nil, teal.Errorf(teal.CodeInvalidInput, "the body has a message and a list of messages; send one of the two")
	}
	return in.Messages, nil
}
