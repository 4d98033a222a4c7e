package function

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"teal/internal/function/runtimeapi"
)

// integrationType marks a streamed answer that begins with its own status and
// headers, as JSON, then eight zero bytes, then the body.
const integrationType = "application/vnd.awslambda.http-integration-response"

// integrationAnswer returns the answer as a function that does not stream would
// have given it: the body of a streamed one goes into the document before it.
// What does not look like that is left as it is.
func integrationAnswer(r runtimeapi.Reply) []byte {
	if r.MediaType != integrationType {
		return r.Payload
	}
	prelude, body, ok := bytes.Cut(r.Payload, make([]byte, 8))
	fields := map[string]json.RawMessage{}
	if !ok || json.Unmarshal(prelude, &fields) != nil || fields == nil {
		return r.Payload
	}
	text, encoded := string(body), !utf8.Valid(body)
	if encoded {
		text = base64.StdEncoding.EncodeToString(body)
	}
	for name, value := range map[string]any{"body": text, "isBase64Encoded": encoded} {
		raw, err := json.Marshal(value)
		if err != nil {
			return r.Payload
		}
		fields[name] = raw
	}
	whole, err := json.Marshal(fields)
	if err != nil {
		return r.Payload
	}
	return whole
}
