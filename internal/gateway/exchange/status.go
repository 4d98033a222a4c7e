package exchange

// The statuses that Teal itself answers with, or looks for.
const (
	statusSwitchingProtocols          = 101
	statusOK                          = 200
	statusNoContent                   = 204
	statusNotModified                 = 304
	statusBadRequest                  = 400
	statusUnauthorized                = 401
	statusForbidden                   = 403
	statusNotFound                    = 404
	statusMethodNotAllowed            = 405
	statusRequestTimeout              = 408
	statusConflict                    = 409
	statusRequestEntityTooLarge       = 413
	statusTooManyRequests             = 429
	statusRequestHeaderFieldsTooLarge = 431
	statusInternalServerError         = 500
	statusNotImplemented              = 501
	statusBadGateway                  = 502
	statusServiceUnavailable          = 503
	statusGatewayTimeout              = 504
)
