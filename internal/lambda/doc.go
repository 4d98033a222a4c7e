// Package lambda is the AWS Lambda domain over apps: functions by name, drafts
// ($LATEST), function URLs, concurrency, layers, events.
//
// There is one model, the app's: a version and an alias of a function are its
// app's. What Lambda knows beside that is kept in [Records]: the draft of an app,
// the settings of a function, the versions of layers. [Backend] answers
// awslambda's operations with it. [Activator] leads a call to a version, which it
// starts when it does not run; [URLs] answers requests to function URLs; [MinInstances]
// says how many instances are to stand ready.
//
// What the domain needs of apps, aliases, environments and code it asks of small
// interfaces, see seams.go.
package lambda
