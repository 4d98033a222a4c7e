// Package meter measures what each version does for its users, on this machine,
// with nothing else needed.
//
// # Recording
//
// A [Recorder] counts for one component of one version. Recording takes no lock,
// allocates nothing once it is warm, and costs a few atomic additions. One of
// them, in one cell of a histogram, is the sample: the cell says how long the
// request took and whether it was answered well, badly or not at all, so the
// numbers of requests, of errors and of latencies that a reader sees always belong
// to the same requests. All
// counters only ever grow. A reader keeps what it saw last and takes the
// difference: so each sample is in exactly one interval of each reader, whatever
// is recorded meanwhile.
//
// # Latency
//
// The histogram is log-linear, as in HdrHistogram (Gil Tene,
// https://hdrhistogram.org): each power of two from 1 µs to 73 minutes is cut
// into 128 cells of equal width, found from the bits of the number. A cell is at
// most 1/128 as wide as its lower bound, so a quantile read from it is wrong by
// less than 0.8 %. Histograms are merged by adding their cells.
//
// # Memory
//
// A recorder has a shard for every processor, at most eight, of 1.1 KiB; a shard
// gets 1 KiB for each power of two that its latencies reach, apart for errors and
// for requests without an answer: typically 5 to 10 KiB for a shard, at most
// 97 KiB. The window of a version
// holds only cells that are not zero, 8 bytes each, in slices of a second for the
// last minute and of ten seconds for the nine before: typically tens of
// kilobytes, under 1 MiB for a version that takes a thousand requests a second
// spread over eight powers of two. Error groups are at most 256 of at most 5 KiB
// for a version, kinds of errors on routes at most 64 of 1 KiB for a component, frequent
// requests at most 256 of at most 2.3 KiB.
package meter
