package consumer

import (
	"crypto/md5" //nolint:gosec // AWS's consumers compare it; it protects nothing
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"teal/internal/queue"
)

// sqsEvent is a batch as AWS hands it to functions.
type sqsEvent struct {
	Records []sqsRecord `json:"Records"`
}

type sqsRecord struct {
	MessageID         string                  `json:"messageId"`
	ReceiptHandle     string                  `json:"receiptHandle"`
	Body              string                  `json:"body"`
	Attributes        map[string]string       `json:"attributes"`
	MessageAttributes map[string]sqsAttribute `json:"messageAttributes"`
	MD5OfBody         string                  `json:"md5OfBody"`
	EventSource       string                  `json:"eventSource"`
	EventSourceARN    string                  `json:"eventSourceARN"`
	AWSRegion         string                  `json:"awsRegion"`
}

type sqsAttribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      *string  `json:"binaryValue,omitempty"`
	StringListValues []string `json:"stringListValues"`
	BinaryListValues []string `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

// event returns a batch as AWS hands it to functions.
func (c *Consumer) event(name string, batch []queue.Delivery) []byte {
	event := sqsEvent{Records: make([]sqsRecord, len(batch))}
	now := time.Now()
	for i, d := range batch {
		sum := md5.Sum(d.Body) //nolint:gosec // likewise
		event.Records[i] = sqsRecord{
			MessageID: d.ID, ReceiptHandle: d.Receipt, Body: string(d.Body), MD5OfBody: hex.EncodeToString(sum[:]),
			Attributes: attributes(d, now), MessageAttributes: messageAttributes(d),
			EventSource: "aws:sqs", EventSourceARN: c.cfg.QueueARN(name), AWSRegion: c.cfg.Region,
		}
	}
	data, err := json.Marshal(event)
	if err != nil {
		panic("consumer: an event cannot be encoded: " + err.Error()) // it holds texts alone
	}
	return data
}

func attributes(d queue.Delivery, now time.Time) map[string]string {
	found := map[string]string{
		"ApproximateReceiveCount": strconv.Itoa(d.Failures + 1), "SenderId": "teal",
		"SentTimestamp": millis(d.SentAt), "ApproximateFirstReceiveTimestamp": millis(now),
	}
	if d.Group != "" {
		found["MessageGroupId"] = d.Group
		found["SequenceNumber"] = strconv.FormatUint(d.Sequence, 10)
	}
	if d.Deduplication != "" {
		found["MessageDeduplicationId"] = d.Deduplication
	}
	return found
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func messageAttributes(d queue.Delivery) map[string]sqsAttribute {
	found := map[string]sqsAttribute{}
	for name, a := range d.Attributes {
		own := sqsAttribute{DataType: a.Type, StringListValues: []string{}, BinaryListValues: []string{}}
		if a.Type == "Binary" {
			own.BinaryValue = &a.Value
		} else {
			own.StringValue = &a.Value
		}
		found[name] = own
	}
	return found
}
