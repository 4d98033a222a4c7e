package service

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// grpcHealth is the method of gRPC's health checking protocol. An instance that
// speaks HTTP/2 and whose health path is this one is asked as a gRPC client asks.
const grpcHealth = "/grpc.health.v1.Health/Check"

// The whole of the protocol that a check needs, framed: a request that names no
// service, and the answer SERVING.
var (
	askHealth = []byte{0, 0, 0, 0, 0}
	serving   = []byte{0, 0, 0, 0, 2, 0x08, 1}
)

// checkGRPC returns nil when the server says that it is serving.
func (p *probe) checkGRPC(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := p.request(ctx, http.MethodPost, bytes.NewReader(askHealth))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		return p.explain(ctx, err)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, probeBody))
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return p.explain(ctx, err)
	}
	return judgeGRPC(p.shown, response, answer)
}

func judgeGRPC(shown string, response *http.Response, answer []byte) error {
	status := response.Trailer.Get("Grpc-Status")
	said := response.Trailer.Get("Grpc-Message")
	if status == "" { // a response of nothing but trailers
		status, said = response.Header.Get("Grpc-Status"), response.Header.Get("Grpc-Message")
	}
	switch {
	case response.StatusCode != http.StatusOK || status == "":
		return fmt.Errorf("%s is answered with %d and no gRPC status; is it a gRPC server?", shown, response.StatusCode)
	case status == "12":
		return fmt.Errorf("%s is not there; register gRPC's health service in the server", shown)
	case status != "0":
		if plain, err := url.PathUnescape(said); err == nil {
			said = plain
		}
		return fmt.Errorf("%s fails with gRPC status %s: %s", shown, status, said)
	case !bytes.Equal(answer, serving):
		return fmt.Errorf("%s says that the server is not serving", shown)
	}
	return nil
}
