package http2

import "encoding/binary"

// frameType is what a frame is.
type frameType uint8

const (
	frameData         frameType = 0
	frameHeaders      frameType = 1
	framePriority     frameType = 2
	frameReset        frameType = 3
	frameSettings     frameType = 4
	framePush         frameType = 5
	framePing         frameType = 6
	frameGoAway       frameType = 7
	frameWindow       frameType = 8
	frameContinuation frameType = 9
)

// The flags of frames.
const (
	flagAck        = 0x1 // of settings and pings
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// frameHead is the length of what stands before the payload of each frame.
const frameHead = 9

// maxFrame is the longest payload that this side takes: the least that it may say, which
// is what a stream's buffer holds.
const maxFrame = 16 << 10

// Preface is how a client begins.
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frame is one frame in place.
type frame struct {
	kind    frameType
	flags   uint8
	stream  uint32
	payload []byte
}

func (f *frame) has(flag uint8) bool { return f.flags&flag != 0 }

// readFrame returns the frame at the beginning of data and its length, 0 when more must
// arrive. length is what its head says of the payload, also then.
func readFrame(data []byte) (f frame, n, length int) {
	if len(data) < frameHead {
		return frame{}, 0, 0
	}
	length = int(data[0])<<16 | int(data[1])<<8 | int(data[2])
	if len(data) < frameHead+length {
		return frame{}, 0, length
	}
	return frame{
		kind: frameType(data[3]), flags: data[4], stream: binary.BigEndian.Uint32(data[5:]) & maxStream,
		payload: data[frameHead : frameHead+length],
	}, frameHead + length, length
}

// maxStream is the greatest number of a stream, and of bytes in a window.
const maxStream = 1<<31 - 1

func appendFrameHead(to []byte, kind frameType, flags uint8, stream uint32, length int) []byte {
	return append(to, byte(length>>16), byte(length>>8), byte(length), byte(kind), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

func appendReset(to []byte, stream uint32, code Code) []byte {
	return binary.BigEndian.AppendUint32(appendFrameHead(to, frameReset, 0, stream, 4), uint32(code))
}

func appendWindow(to []byte, stream uint32, more int64) []byte {
	return binary.BigEndian.AppendUint32(appendFrameHead(to, frameWindow, 0, stream, 4), uint32(more))
}

func appendPing(to []byte, flags uint8, data [8]byte) []byte {
	return append(appendFrameHead(to, framePing, flags, 0, 8), data[:]...)
}

func appendGoAway(to []byte, last uint32, code Code, reason string) []byte {
	to = appendFrameHead(to, frameGoAway, 0, 0, 8+len(reason))
	to = binary.BigEndian.AppendUint32(to, last)
	to = binary.BigEndian.AppendUint32(to, uint32(code))
	return append(to, reason...)
}

// unpadded returns the payload without its padding.
func (f *frame) unpadded() ([]byte, *Error) {
	if !f.has(flagPadded) {
		return f.payload, nil
	}
	if len(f.payload) == 0 {
		return nil, errFrameShort
	}
	pad := int(f.payload[0])
	if pad >= len(f.payload) {
		return nil, errPadding
	}
	return f.payload[1 : len(f.payload)-pad], nil
}
