// Package sigv4 checks and makes AWS Signature Version 4: of requests that
// carry it in the Authorization header, and of presigned URLs.
//
// What it refuses, it refuses with AWS's codes, messages and status. As on AWS,
// a request that is sent again within the five minutes for which its date is
// good is accepted again: the signature says who asks and for what, not how
// often.
package sigv4
