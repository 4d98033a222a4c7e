package static

import "sync/atomic"

// Memory is what all sites of a server may keep of their files in memory.
type Memory struct {
	most int64
	used atomic.Int64
}

// NewMemory returns a memory of that many bytes.
func NewMemory(most int64) *Memory { return &Memory{most: most} }

// take reports whether there is room for n bytes more, which it then takes. A nil Memory
// has none.
func (m *Memory) take(n int64) bool {
	if m == nil {
		return false
	}
	if m.used.Add(n) <= m.most {
		return true
	}
	m.used.Add(-n)
	return false
}

func (m *Memory) giveBack(n int64) {
	if m != nil {
		m.used.Add(-n)
	}
}

// DefaultMemory is what a server keeps unless it is told otherwise, in bytes.
const DefaultMemory = 64 << 20

// maxKept is the size of the largest file that is kept in memory.
const maxKept = 64 << 10
