package http2

// Code says why a stream or a connection ends (RFC 9113, section 7).
type Code uint32

// The codes.
const (
	NoError            Code = 0x0
	ProtocolError      Code = 0x1
	InternalError      Code = 0x2
	FlowControlError   Code = 0x3
	SettingsTimeout    Code = 0x4
	StreamClosed       Code = 0x5
	FrameSizeError     Code = 0x6
	RefusedStream      Code = 0x7
	Cancel             Code = 0x8
	CompressionError   Code = 0x9
	ConnectError       Code = 0xa
	EnhanceYourCalm    Code = 0xb
	InadequateSecurity Code = 0xc
	HTTP11Required     Code = 0xd
)

// Error ends a connection.
type Error struct {
	Code   Code
	Reason string // for people; it is sent to the peer
}

func (e *Error) Error() string { return e.Reason }

// The errors of connections. They are values so that refusing allocates nothing.
var (
	errPreface         = &Error{ProtocolError, "the connection does not begin with the preface of HTTP/2"}
	errFirstFrame      = &Error{ProtocolError, "the first frame is not SETTINGS"}
	errFrameLong       = &Error{FrameSizeError, "a frame is longer than SETTINGS_MAX_FRAME_SIZE"}
	errFrameShort      = &Error{FrameSizeError, "a frame is shorter than its kind must be"}
	errFrameSize       = &Error{FrameSizeError, "a frame does not have the length of its kind"}
	errPadding         = &Error{ProtocolError, "a frame is all padding and more"}
	errOnConnection    = &Error{ProtocolError, "a frame about a stream names the connection"}
	errOnStream        = &Error{ProtocolError, "a frame about the connection names a stream"}
	errIdle            = &Error{ProtocolError, "a frame names a stream that has not been opened"}
	errStreamNumber    = &Error{ProtocolError, "a stream's number is even, or not above all before it"}
	errStreamClosed    = &Error{StreamClosed, "HEADERS came for a stream that has ended"}
	errPush            = &Error{ProtocolError, "clients push nothing"}
	errContinuation    = &Error{ProtocolError, "a header block is not continued, or nothing is there to continue"}
	errBlockLong       = &Error{EnhanceYourCalm, "a header block is far longer than any that is taken"}
	errCompression     = &Error{CompressionError, "a header block cannot be decoded"}
	errSettingsAck     = &Error{FrameSizeError, "an acknowledgement of settings holds settings"}
	errSettingsPush    = &Error{ProtocolError, "SETTINGS_ENABLE_PUSH is neither 0 nor 1"}
	errSettingsWindow  = &Error{FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE is above 2^31-1"}
	errSettingsFrame   = &Error{ProtocolError, "SETTINGS_MAX_FRAME_SIZE is out of bounds"}
	errSettingsConnect = &Error{ProtocolError, "SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1"}
	errWindowZero      = &Error{ProtocolError, "a window of the connection grows by 0"}
	errWindowOverflow  = &Error{FlowControlError, "a window grows above 2^31-1"}
	errWindowExceeded  = &Error{FlowControlError, "more has been sent than the connection's window allows"}
	errFlood           = &Error{EnhanceYourCalm, "there are too many frames that ask for nothing"}
	errResets          = &Error{EnhanceYourCalm, "too many streams are reset"}
)
