package daemon

import (
	"cmp"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/api/sigv4"
	"teal/internal/event"
	"teal/internal/function"
	"teal/internal/lambda"
)

// AWS says how the server presents itself to AWS's tools.
type AWS struct {
	Region  string // "" is us-east-1
	Account string // twelve digits; "" is 000000000000
	Buckets string // a folder whose folders stand for S3 buckets; "" is none
	// RetryDelay is how long after a function has failed at an event it is tried
	// again, and half of the time after the second failure; 0 is AWS's minute.
	RetryDelay time.Duration
	// Settle is how long a function that was made or changed is told to be changing;
	// 0 is lambda.DefaultSettle.
	Settle   time.Duration
	Unproven teal.Bytes // see awslambda.Config; 0 is its default
	// Events bounds what waits of one function.
	Events    event.Limits
	URLDomain string // what the host names of function URLs end in; "" is lambda-url.localhost
}

func (aws AWS) withDefaults() AWS {
	aws.Region = cmp.Or(aws.Region, function.DefaultRegion)
	aws.URLDomain = cmp.Or(aws.URLDomain, lambda.DefaultDomain)
	aws.RetryDelay = cmp.Or(aws.RetryDelay, time.Minute)
	aws.Account = cmp.Or(aws.Account, function.DefaultAccount)
	return aws
}

// place is how this server's functions are named.
func (aws AWS) place() awslambda.Place {
	return awslambda.Place{Region: aws.Region, Account: aws.Account}
}

// keyOfURLs is what signatures of requests to function URLs are made with. It is
// good for nothing else, and the admin's key not for function URLs: who may call
// a function need not be one who may deploy.
func (aws AWS) keyOfURLs(secret string) sigv4.Key {
	return sigv4.Key{ID: lambda.KeyID, Secret: secret, Region: aws.Region, Service: "lambda"}
}
