package trigger

import (
	"encoding/json"
	"time"

	"teal"
)

// scheduled is what a firing is told where its trigger has no payload: the event that
// AWS's schedules send, so that handlers move unchanged.
type scheduled struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Time       string   `json:"time"`
	Resources  []string `json:"resources"`
	Detail     struct{} `json:"detail"`
}

// payloadOf returns the JSON with which a firing is run.
func payloadOf(t teal.Trigger, f teal.Firing, app string) []byte {
	if len(t.Schedule.Payload) > 0 {
		return t.Schedule.Payload
	}
	data, err := json.Marshal(scheduled{
		Version: "0", ID: f.ID, DetailType: "Scheduled Event", Source: "aws.events",
		Time: f.At.UTC().Format(time.RFC3339), Resources: []string{app + "/" + t.Name},
	})
	if err != nil {
		panic("trigger: an event cannot be encoded: " + err.Error()) // it holds texts alone
	}
	return data
}
