package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"teal"
)

// webhookRequest is what a webhook that judges is sent.
type webhookRequest struct {
	Release string `json:"release"`
	App     string `json:"app"`
	Alias   string `json:"alias"`
	Name    string `json:"name"` // the webhook's
	Version int    `json:"version"`
	Live    int    `json:"live"`
}

// webhook asks an address for a verdict. Whatever is not one is an error.
func (s releaseTask) webhook(ctx context.Context, w teal.Webhook) teal.Finding {
	ctx, cancel := context.WithTimeout(ctx, orDefault(w.Timeout, teal.DefaultCheckTimeout))
	defer cancel()
	client := newClient(http.ProxyFromEnvironment)
	defer client.CloseIdleConnections()
	name, asked := "webhook "+w.Name, fmt.Sprintf("the verdict of %s", displayURL(w.URL))
	r, err := post(ctx, client, w.URL, webhookRequest{
		Release: s.release.ID, App: s.release.App, Alias: s.release.Alias, Name: w.Name,
		Version: s.release.To, Live: s.release.From,
	})
	if err != nil {
		return s.finding(name, asked, teal.VerdictError, err.Error())
	}
	verdict, seen := webhookAnswer(r)
	return s.finding(name, asked, verdict, seen)
}

// webhookAnswer reads a webhook's answer.
func webhookAnswer(r reply) (teal.Verdict, string) {
	var said struct {
		Verdict teal.Verdict `json:"verdict"`
		Reason  string       `json:"reason"`
	}
	switch err := json.Unmarshal(r.body, &said); {
	case r.status != http.StatusOK:
		return teal.VerdictError, fmt.Sprintf("status %d instead of 200, %s", r.status, excerpt(string(r.body)))
	case r.cut:
		return teal.VerdictError, fmt.Sprintf("the answer is longer than %s", teal.Bytes(maxBody))
	case err != nil:
		return teal.VerdictError, fmt.Sprintf("the answer is not JSON, %s", excerpt(string(r.body)))
	}
	switch said.Verdict {
	case teal.VerdictPass, teal.VerdictFail, teal.VerdictInconclusive:
		seen := "it says " + string(said.Verdict)
		if said.Reason != "" {
			seen += ": " + clip(said.Reason, maxReason)
		}
		return said.Verdict, seen
	}
	return teal.VerdictError, fmt.Sprintf("the verdict %q is none of pass, fail and inconclusive", line(string(said.Verdict), maxExcerpt))
}
