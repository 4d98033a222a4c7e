package http2

import "encoding/binary"

// The settings (RFC 9113, section 6.5.2, and RFC 8441).
const (
	settingTable   = 0x1
	settingPush    = 0x2
	settingStreams = 0x3
	settingWindow  = 0x4
	settingFrame   = 0x5
	settingList    = 0x6
	settingConnect = 0x8
)

// defaultWindow is what a window holds before anybody has said otherwise.
const defaultWindow = 65535

// tableBytes is the dynamic table of HPACK of what comes in, and what the peer expects of
// what goes out before it has said otherwise: the default.
const tableBytes = 4096

// Limits bounds what a client may do on one connection.
type Limits struct {
	Streams          int   // at once
	HeaderBytes      int   // of a head, as RFC 9113, section 6.5.2, counts
	StreamWindow     int32 // bytes of a body that are taken before they have been used
	ConnectionWindow int32 // …of all bodies; not below 65535
}

// appendSettings says what this side takes.
func (l *Limits) appendSettings(to []byte) []byte {
	settings := [...]struct {
		id    uint16
		value uint32
	}{
		{settingStreams, uint32(l.Streams)}, {settingWindow, uint32(l.StreamWindow)},
		{settingList, uint32(l.HeaderBytes)}, {settingConnect, 1},
	}
	to = appendFrameHead(to, frameSettings, 0, 0, 6*len(settings))
	for _, s := range settings {
		to = binary.BigEndian.AppendUint16(to, s.id)
		to = binary.BigEndian.AppendUint32(to, s.value)
	}
	return to
}

// takeSettings takes what the peer says.
func (c *Conn) takeSettings(f *frame) (Event, *Error) {
	switch {
	case f.stream != 0:
		return Event{}, errOnStream
	case f.has(flagAck) && len(f.payload) > 0:
		return Event{}, errSettingsAck
	case f.has(flagAck):
		return Event{}, nil
	case len(f.payload)%6 != 0:
		return Event{}, errFrameSize
	}
	before := c.peerWindow
	window := resizing{to: before, most: before}
	for p := f.payload; len(p) > 0; p = p[6:] {
		if err := c.takeSetting(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:]), &window); err != nil {
			return Event{}, err
		}
	}
	if err := c.resize(window); err != nil {
		return Event{}, err
	}
	c.Out = appendFrameHead(c.Out, frameSettings, flagAck, 0, 0)
	if c.peerWindow > before {
		return Event{Kind: Opened}, nil
	}
	return Event{}, nil
}

func (c *Conn) takeSetting(id uint16, value uint32, window *resizing) *Error {
	switch id {
	case settingTable:
		c.encoder.limit(value)
	case settingPush:
		if value > 1 {
			return errSettingsPush
		}
	case settingConnect:
		if value > 1 {
			return errSettingsConnect
		}
	case settingWindow:
		if value > maxStream {
			return errSettingsWindow
		}
		window.to = int64(value)
		window.most = max(window.most, window.to)
	case settingFrame:
		if value < maxFrame || value > 1<<24-1 {
			return errSettingsFrame
		}
		c.peerFrame = int(min(value, largestFrame))
	}
	return nil // nothing is pushed
}

// largestFrame bounds a frame of DATA that goes out, however large the peer takes them:
// others on the connection get their turn behind it.
const largestFrame = 32 << 10

// resizing is what one frame makes of the windows of streams. It may name them thousands
// of times: what is done for each stream is done once, at its end.
type resizing struct{ to, most int64 }

// resize changes the windows of all streams.
func (c *Conn) resize(window resizing) *Error {
	before := c.peerWindow
	if window.to == before && window.most == before {
		return nil
	}
	for _, s := range c.streams {
		if s.room+window.most-before > maxStream {
			return errWindowOverflow
		}
	}
	for _, s := range c.streams {
		s.room += window.to - before
	}
	c.peerWindow = window.to
	return nil
}
