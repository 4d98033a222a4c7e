package process

import "teal"

// limitKind is a way of limiting memory.
type limitKind int

const (
	limitNone limitKind = iota
	limitRlimit
	limitCgroupV1
	limitCgroupV2
)

// rlimitHeadroom is added to a limit that is enforced with RLIMIT_DATA. That
// limit counts what a process may write to, not what is resident: thread
// stacks, and the heaps that Go, Node and the C library reserve beforehand. It
// also holds for each process alone, not for the sum of them.
const rlimitHeadroom = 256 * teal.MiB

// limit is how memory is limited.
type limit struct {
	kind     limitKind
	sentence string
}

// data returns the RLIMIT_DATA of a process with a limit of memory; 0 is none.
func (l limit) data(memory teal.Bytes) teal.Bytes {
	if l.kind != limitRlimit || memory <= 0 {
		return 0
	}
	return memory + rlimitHeadroom
}

// limitSupport is what detectLimits found out about the machine.
type limitSupport struct {
	v2, v1       *hierarchy // usable, or nil
	v2Why, v1Why string     // why not
	rlimit       bool
}

// choose picks the best limit that the machine offers.
func choose(f limitSupport) limit {
	why := f.v2Why + "; " + f.v1Why
	switch {
	case f.v2 != nil:
		return limit{limitCgroupV2, "cgroup v2"}
	case f.v1 != nil:
		return limit{limitCgroupV1, "cgroup v1"}
	case f.rlimit:
		return limit{limitRlimit, "rlimit (coarse): each process may write to " + rlimitHeadroom.String() + " more than its limit, and going over is not seen as such, because " + why}
	}
	return limit{limitNone, "none: memory is not limited, because " + why}
}

// hierarchy is the one whose cgroups processes are put into, or nil.
func (f limitSupport) hierarchy() *hierarchy {
	if f.v2 != nil {
		return f.v2
	}
	return f.v1
}
