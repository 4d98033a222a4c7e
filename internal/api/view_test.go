package api_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/api/apitest"
)

// shown are the types of the domain that an answer may hold: they have nothing that
// only the server needs, and no value that may be masked.
var shown = []reflect.Type{
	reflect.TypeFor[teal.Target](), reflect.TypeFor[teal.Commands](), reflect.TypeFor[teal.Command](), reflect.TypeFor[teal.TaskKey](),
	reflect.TypeFor[teal.Finding](), reflect.TypeFor[teal.Judgement](), reflect.TypeFor[teal.Measurement](), reflect.TypeFor[teal.Outage](),
	reflect.TypeFor[teal.LatencyCount](), reflect.TypeFor[teal.RollbackTimes](), reflect.TypeFor[teal.PhaseEntry](), reflect.TypeFor[teal.Alert](), reflect.TypeFor[teal.AppOrder](), reflect.TypeFor[teal.AliasChange](), reflect.TypeFor[teal.Firing](),
}

// masking are the views below which everything may stand that they were made of:
// they are made by Shown alone.
var masking = []reflect.Type{reflect.TypeFor[api.SpecView](), reflect.TypeFor[api.PolicyView]()}

// walk reports every type of the domain that can be reached from a type and is not
// for answers.
func walk(t *testing.T, of reflect.Type, path string, seen map[reflect.Type]bool) {
	t.Helper()
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map || of.Kind() == reflect.Array {
		of = of.Elem()
	}
	if of.Kind() == reflect.Interface {
		t.Errorf("%s is a %v: what it holds is not known", path, of)
	}
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || seen[of] || slices.Contains(masking, of) {
		return
	}
	seen[of] = true
	if of.PkgPath() != reflect.TypeFor[api.Status]().PkgPath() && !slices.Contains(shown, of) {
		t.Errorf("%s is a %v: give it a view", path, of)
		return
	}
	for i := range of.NumField() {
		if f := of.Field(i); f.IsExported() && f.Tag.Get("json") != "-" {
			walk(t, f.Type, path+"."+f.Name, seen)
		}
	}
}

// recorded are the records that events are about.
var recorded = map[api.EventKind]any{
	api.EventApp: teal.App{}, api.EventVersion: teal.Version{}, api.EventAlias: teal.Alias{},
	api.EventEnvironment: teal.Environment{}, api.EventRelease: teal.Release{},
}

// No answer and no event holds a record: records are the server's memory, and an
// answer is a promise. Seen red with ReleaseView.Tasks of teal.Task, with a Baseline
// in a teal.Release behind a pointer of Status, and with viewRecord returning an alias as it is.
func TestAnswersHoldViewsAlone(t *testing.T) {
	t.Parallel()
	types := api.New(api.Config{Control: apitest.New()}).Responses()
	if len(types) < 20 {
		t.Fatalf("found %d answers", len(types))
	}
	for kind, record := range recorded {
		types["event "+string(kind)] = reflect.TypeOf(api.ViewRecord(record))
	}
	types["line of a log"] = reflect.TypeFor[api.LogEntry]()
	for name, of := range types {
		walk(t, of, name, map[reflect.Type]bool{})
	}
}

// What a release keeps for itself is in no answer and in no event, whatever the
// names of its fields are. Seen red with the token in TaskView.
func TestSecretsOfReleasesStayInside(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	env := map[string]string{"KEY": "inside-value"}
	r := teal.Release{
		ID: "shop-1", App: "shop", To: 1, Phase: teal.PhaseShifting,
		Intent: &teal.Intent{Act: teal.ActTask, Task: teal.TaskKey{Name: "inside-intent"}}, Fence: 424242,
		Judging: json.RawMessage(`{"inside-judge":1}`), JudgingAt: &now, Observed: teal.Duration(31 * time.Second), ObservedAt: &now,
		Marks:  teal.Marks{Start: teal.Duration(17 * time.Second)},
		Tasks:  []teal.Task{{Key: teal.TaskKey{Kind: teal.TaskHook, Name: "h"}, StartedAt: now, Token: "inside-token"}},
		Policy: teal.Policy{Hooks: []teal.Hook{{Name: "h", Command: []string{"x"}, Env: env, Masked: []string{"KEY"}}}},
	}
	for name, view := range map[string]any{
		"release": api.ViewRelease(r), "status": api.NewStatus(api.Records{App: "shop", Active: &r}),
		"event of a release": api.ViewRecord(r), "event of an app": api.ViewRecord(teal.App{Name: "shop", Policy: r.Policy}),
	} {
		data, err := json.Marshal(view)
		if err != nil {
			t.Fatal(err)
		}
		for _, inside := range []string{"inside-", "424242", `"17s"`, `"31s"`} {
			if strings.Contains(string(data), inside) {
				t.Errorf("%s holds %s: %s", name, inside, data)
			}
		}
	}
}
