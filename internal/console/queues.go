package console

import (
	"context"
	"fmt"
	"net/http"

	"teal"
	"teal/internal/api"
	"teal/internal/describe"
)

// deadLetters is how many dead letters of a queue are shown.
const deadLetters = 100

// queuesPage shows every queue.
func queuesPage(ctx context.Context, v *viewer, _ *http.Request) (page, error) {
	p := page{Title: "Queues", Tab: "queues"}
	queues, err := v.api.Queues(ctx)
	if err != nil {
		return p, err
	}
	return p, p.add("queues", "queues", queues)
}

// queueView is a queue with its dead letters.
type queueView struct {
	api.QueueView
	Letters []api.DeadLetter
	Redrive bool // it is offered
}

// queuePage shows a queue, and what nobody could work on.
func queuePage(ctx context.Context, v *viewer, r *http.Request) (page, error) {
	p := page{Title: "Queue " + r.PathValue("queue"), Tab: "queues"}
	queue, err := v.api.Queue(ctx, r.PathValue("queue"))
	if err != nil {
		return p, err
	}
	letters, err := v.api.DeadLetters(ctx, queue.Name, deadLetters)
	if err != nil {
		return p, err
	}
	return p, p.add("queue", "queue", queueView{queue, letters, queue.Dead > 0 && v.may("redrive-queue", "")})
}

// redriveView asks once more before dead letters are put back.
type redriveView struct{ Queue, CSRF, Means string }

func (c *Console) confirmRedrive(w http.ResponseWriter, r *http.Request, v *viewer) {
	queue, err := v.redrivable(r)
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	p := page{Title: "Redrive " + queue.Name, Tab: "queues", Still: true}
	means := fmt.Sprintf("%s of %s are put back, as if they had just been sent: the version that is live works on them.", describe.Count(queue.Dead, "dead letter"), queue.Name)
	if err := p.add("confirm", "redrive", redriveView{queue.Name, v.session.csrf, means}); err != nil {
		c.fail(w, r, v, err)
		return
	}
	c.show(w, r, v, http.StatusOK, p)
}

func (v *viewer) redrivable(r *http.Request) (api.QueueView, error) {
	if !v.may("redrive-queue", "") {
		return api.QueueView{}, teal.Errorf(teal.CodeForbidden, "your token, %s, is a %s's and may not redrive queues", v.caller.Name, v.caller.Role)
	}
	return v.api.Queue(r.Context(), r.PathValue("queue"))
}

func (c *Console) redrive(w http.ResponseWriter, r *http.Request, v *viewer) {
	queue, err := v.redrivable(r)
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	back, err := v.api.RedriveQueue(r.Context(), queue.Name, nil)
	told := notice{Text: describe.Count(back, "dead letter") + " put back: done, and in the audit."}
	if err != nil {
		told = notice{Text: "Redrive was not done: " + teal.MessageOf(err), Bad: true}
	}
	v.session.tell(told)
	http.Redirect(w, r, path("queues", queue.Name), http.StatusSeeOther)
}
