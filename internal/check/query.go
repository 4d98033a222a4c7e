package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"teal"
)

// query asks a Prometheus server for one figure.
func (s releaseTask) query(ctx context.Context, q teal.Query) teal.Finding {
	ctx, cancel := context.WithTimeout(ctx, orDefault(q.Timeout, teal.DefaultCheckTimeout))
	defer cancel()
	expression := strings.NewReplacer(
		"${app}", s.release.App, "${version}", strconv.Itoa(s.release.To), "${live}", strconv.Itoa(s.release.From),
	).Replace(q.Query)
	name := "query " + q.Name
	asked := fmt.Sprintf("%s is %s at %s", line(expression, maxExcerpt), limits(q), displayURL(q.URL))
	if q.Min == nil && q.Max == nil {
		return s.finding(name, asked, teal.VerdictError, "the query has neither min nor max: nothing could fail")
	}
	value, err := instant(ctx, q.URL, expression)
	if err != nil {
		return s.finding(name, asked, teal.VerdictError, err.Error())
	}
	f := s.finding(name, asked, teal.VerdictPass, "it is "+figure(value))
	f.Statistic, f.Threshold = &value, q.Max
	switch {
	case q.Max != nil && value > *q.Max:
		f.Verdict, f.Seen = teal.VerdictFail, fmt.Sprintf("it is %s, and at most %s is allowed", figure(value), figure(*q.Max))
	case q.Min != nil && value < *q.Min:
		f.Verdict, f.Seen = teal.VerdictFail, fmt.Sprintf("it is %s, and at least %s is needed", figure(value), figure(*q.Min))
		f.Threshold = q.Min
	case q.Max == nil:
		f.Threshold = q.Min
	}
	return f
}

func limits(q teal.Query) string {
	var parts []string
	if q.Min != nil {
		parts = append(parts, "at least "+figure(*q.Min))
	}
	if q.Max != nil {
		parts = append(parts, "at most "+figure(*q.Max))
	}
	return strings.Join(parts, " and ")
}

func figure(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// instant asks a Prometheus server for the value of an expression now. Whatever
// is not exactly one finite number is an error, for people.
func instant(ctx context.Context, server, expression string) (float64, error) {
	client := newClient(http.ProxyFromEnvironment)
	defer client.CloseIdleConnections()
	r, err := ask(ctx, client, server, expression)
	if err != nil {
		return 0, err
	}
	return parseInstant(r)
}

// ask sends a query as a form, which has no limit of length, and as an address
// to servers that do not take one.
func ask(ctx context.Context, client *http.Client, server, expression string) (reply, error) {
	address, err := url.Parse(server)
	if err != nil || address.Host == "" {
		return reply{}, errors.New("the address of the Prometheus server cannot be read")
	}
	address = address.JoinPath("api", "v1", "query")
	form := url.Values{"query": {expression}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return reply{}, errors.New("the address of the Prometheus server cannot be used")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r, err := send(ctx, client, request)
	if err != nil || r.status != http.StatusMethodNotAllowed && r.status != http.StatusNotImplemented {
		return r, err
	}
	values := address.Query()
	values.Set("query", expression)
	address.RawQuery = values.Encode()
	if request, err = http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil); err != nil {
		return reply{}, errors.New("the address of the Prometheus server cannot be used")
	}
	return send(ctx, client, request)
}

// instantAnswer is Prometheus's answer to an instant query.
type instantAnswer struct {
	Status   string   `json:"status"`
	Error    string   `json:"error"`
	Warnings []string `json:"warnings"`
	Data     struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

func parseInstant(r reply) (float64, error) {
	var a instantAnswer
	switch err := json.Unmarshal(r.body, &a); {
	case r.cut:
		return 0, fmt.Errorf("the answer is longer than %s; aggregate the query to one figure", teal.Bytes(maxBody))
	case err != nil && r.status == http.StatusOK:
		return 0, fmt.Errorf("the answer is not that of a Prometheus server: %s", excerpt(string(r.body)))
	case r.status != http.StatusOK || a.Status != "success":
		return 0, fmt.Errorf("the Prometheus server answered with status %d: %s", r.status, refusal(a, r))
	case len(a.Warnings) > 0:
		return 0, fmt.Errorf("the Prometheus server warns that the figure may be wrong: %s", line(a.Warnings[0], maxReason))
	}
	return finite(a.Data.ResultType, a.Data.Result)
}

func refusal(a instantAnswer, r reply) string {
	if a.Error != "" {
		return line(a.Error, maxReason)
	}
	return excerpt(string(r.body))
}

// finite returns the one number of a result.
func finite(resultType string, result json.RawMessage) (float64, error) {
	var sample [2]any // time and text
	switch resultType {
	case "scalar":
		if err := json.Unmarshal(result, &sample); err != nil {
			return 0, errors.New("the Prometheus server's answer cannot be read")
		}
	case "vector":
		var series []struct {
			Value *[2]any `json:"value"` // none for a histogram
		}
		if err := json.Unmarshal(result, &series); err != nil {
			return 0, errors.New("the Prometheus server's answer cannot be read")
		}
		switch {
		case len(series) == 0:
			return 0, errors.New("the result is empty: the server has no such series, or nothing was measured lately")
		case len(series) > 1:
			return 0, fmt.Errorf("the result has %d series instead of one; aggregate the query, for instance with sum(…)", len(series))
		case series[0].Value == nil:
			return 0, errors.New("the result is a histogram instead of a number")
		}
		sample = *series[0].Value
	default:
		return 0, fmt.Errorf("the result is a %s instead of a number", line(resultType, maxExcerpt))
	}
	text, _ := sample[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, fmt.Errorf("the result is %s, which is no number: probably something was divided by nothing measured", line(text, maxExcerpt))
	}
	return value, nil
}
