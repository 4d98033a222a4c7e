// Package awslambda is AWS Lambda's REST API over Teal: the tools that people
// have for Lambda drive Teal by pointing them at the admin address.
//
// There is one model. A Lambda function F is the app F with the one component F;
// a function of a larger app goes by APP-COMPONENT. Numbered versions and aliases
// are the app's own, and $LATEST is its draft. What this package adds is AWS's
// words for it: paths, shapes, validation, errors. What it cannot do itself it
// asks of a [Backend], which the daemon implements.
//
// Every operation of the service model is in the table of operations: those that
// have no meaning here are refused in AWS's form, with the reason. docs/aws.md
// lists them all.
package awslambda
