package teal

import (
	"slices"
	"strconv"
	"time"
)

// QueueTrigger has a component work on the messages of a queue of the server's: a
// function is invoked with some of them, as AWS's SQS has it; a service gets the same as
// a POST at Path.
type QueueTrigger struct {
	Queue string `json:"queue"`
	Consuming
}

// Consuming says how messages are worked on.
type Consuming struct {
	Path   string   `json:"path,omitempty"`
	Batch  int      `json:"batch"`            // messages at once, at most
	Window Duration `json:"window,omitempty"` // how long to wait for so many
	// Retries is how often a message that failed is tried again, by the same version,
	// before it is dead.
	Retries int `json:"retries"`
	// Visibility is how long after it was given out a message that failed is tried again.
	Visibility  Duration `json:"visibility"`
	Concurrency int      `json:"concurrency"` // batches at a time, of each version
}

// What holds for the messages of a trigger unless it says otherwise, and what it may say.
const (
	DefaultMessageBatch   = 10
	MaxMessageBatch       = 1000
	MaxWindow             = Duration(5 * time.Minute)
	DefaultMessageRetries = 3
	MaxMessageRetries     = 100
	DefaultVisibility     = Duration(30 * time.Second)
	MaxVisibility         = Duration(12 * time.Hour)
	DefaultConsumption    = 5
	MaxConsumption        = 1000
)

func (c *checker) queue(at []string, q QueueTrigger, to Component) {
	c.name("queue", q.Queue, append(slices.Clone(at), "queue")...)
	c.consuming(at, q.Consuming, to)
}

func (c *checker) consuming(at []string, q Consuming, to Component) {
	below := func(key string) []string { return append(slices.Clone(at), key) }
	for key, n := range map[string]struct{ is, least, most int }{
		"batch": {q.Batch, 1, MaxMessageBatch}, "retries": {q.Retries, 0, MaxMessageRetries}, "concurrency": {q.Concurrency, 1, MaxConsumption},
	} {
		if n.is < n.least || n.is > n.most {
			c.addf(below(key), "is %d; expected %d to %d", n.is, n.least, n.most)
		}
	}
	if q.Window < 0 || q.Window > MaxWindow {
		c.addf(below("window"), "is %s; expected at most %s", q.Window, MaxWindow)
	}
	if q.Visibility <= 0 || q.Visibility > MaxVisibility {
		c.addf(below("visibility"), "is %s; expected more than 0s and at most %s", q.Visibility, MaxVisibility)
	}
	switch {
	case to.Function != nil && q.Path != "":
		c.addf(below("path"), "is for services; a function is invoked: leave it out")
	case to.Function != nil:
	case to.Kind() != KindService:
		c.addf(below("to"), "is of the kind %s, which cannot be given messages; name a function or a service", to.Kind())
	default:
		c.post(below("path"), q.Path)
	}
}

// queueReaders refuses two triggers that read one queue: each message is for one of them.
func (c *checker) queueReaders(s Spec) {
	first := map[string]int{}
	for i, t := range s.Triggers {
		if t.Queue == nil {
			continue
		}
		if other, read := first[t.Queue.Queue]; read {
			c.addf([]string{"triggers", strconv.Itoa(i), "queue"}, "is read by trigger %d, too; give each of them a queue of its own", other+1)
			continue
		}
		first[t.Queue.Queue] = i
	}
}
