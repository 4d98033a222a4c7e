package loop

// The sizes of the buffers. Heads fit the small ones; the large ones are for
// bodies.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

// bufferStock lends the buffers of one loop. A connection with nothing to say
// has none.
type bufferStock struct{ small, large [][]byte }

// Bounds of what is kept for the next.
const (
	smallKept = 2048 // 8 MiB
	largeKept = 64   // 4 MiB
)

func (b *bufferStock) get(size int) []byte {
	switch {
	case size <= smallBuffer:
		return take(&b.small, smallBuffer)
	case size <= largeBuffer:
		return take(&b.large, largeBuffer)
	}
	return make([]byte, size)
}

func take(stock *[][]byte, size int) []byte {
	last := len(*stock) - 1
	if last < 0 {
		return make([]byte, size)
	}
	buffer := (*stock)[last]
	*stock = (*stock)[:last]
	return buffer
}

func (b *bufferStock) put(buffer []byte) {
	switch buffer = buffer[:cap(buffer)]; len(buffer) {
	case smallBuffer:
		if len(b.small) < smallKept {
			b.small = append(b.small, buffer)
		}
	case largeBuffer:
		if len(b.large) < largeKept {
			b.large = append(b.large, buffer)
		}
	}
}
