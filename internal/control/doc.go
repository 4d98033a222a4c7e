// Package control takes what people order and answers what they ask: deploys,
// promotions, rollbacks, aliases by hand, and the catalog of what is recorded. It
// turns orders into records and tells the release engine; it decides nothing about a
// release that runs.
package control
