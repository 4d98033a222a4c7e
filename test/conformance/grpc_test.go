package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// serveInterop runs grpc-go's interoperability server and returns its address.
func serveInterop(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	testpb.RegisterTestServiceServer(s, interop.NewTestServer())
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

const grpcApp = `
app: rpc
upstreams:
  rpc: {urls: ["http://%s"], protocol: h2c, health: {path: /grpc.health.v1.Health/Check}}
routes: [{path: /, to: rpc}, {path: /version-%d, to: rpc}]
release: {watch: {confidence: 0s}, drain: 10s}
`

// connect returns a client of the server, by TLS or by prior knowledge.
func (s *server) connect(secure bool) *grpc.ClientConn {
	s.t.Helper()
	addr, creds := s.http, insecure.NewCredentials()
	if secure {
		addr, creds = s.https, credentials.NewTLS(&tls.Config{RootCAs: s.roots})
	}
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// interopRounds is how often each case runs: a fault that comes once in ten times
// must not pass.
const interopRounds = 50

// interopCases are run on a connection of their own each, like those of the client
// program.
var interopCases = []struct {
	name   string
	rounds int
	run    func(context.Context, *grpc.ClientConn, testpb.TestServiceClient)
}{
	{"empty_unary", interopRounds, client(interop.DoEmptyUnaryCall)},
	{"large_unary", interopRounds, client(interop.DoLargeUnaryCall)},
	{"client_streaming", interopRounds, client(interop.DoClientStreaming)},
	{"server_streaming", interopRounds, client(interop.DoServerStreaming)},
	{"ping_pong", 4 * interopRounds, client(interop.DoPingPong)},
	{"empty_stream", 4 * interopRounds, client(interop.DoEmptyStream)},
	{"timeout_on_sleeping_server", interopRounds, client(interop.DoTimeoutOnSleepingServer)},
	{"cancel_after_begin", interopRounds, client(interop.DoCancelAfterBegin)},
	{"cancel_after_first_response", interopRounds, client(interop.DoCancelAfterFirstResponse)},
	{"custom_metadata", interopRounds, client(interop.DoCustomMetadata)},
	{"status_code_and_message", interopRounds, client(interop.DoStatusCodeAndMessage)},
	{"special_status_message", interopRounds, client(interop.DoSpecialStatusMessage)},
	{"unimplemented_method", interopRounds, func(ctx context.Context, conn *grpc.ClientConn, _ testpb.TestServiceClient) {
		interop.DoUnimplementedMethod(ctx, conn)
	}},
	{"unimplemented_service", interopRounds, func(ctx context.Context, conn *grpc.ClientConn, _ testpb.TestServiceClient) {
		interop.DoUnimplementedService(ctx, testpb.NewUnimplementedServiceClient(conn))
	}},
}

func client(run func(context.Context, testpb.TestServiceClient, ...grpc.CallOption)) func(context.Context, *grpc.ClientConn, testpb.TestServiceClient) {
	return func(ctx context.Context, _ *grpc.ClientConn, c testpb.TestServiceClient) { run(ctx, c) }
}

// The interoperability tests end the program when one fails; the log then says
// which. Seen red with empty_stream, after nine rounds in the mean over TLS and
// fifteen in cleartext, when the gateway flushed a head that was all of the answer:
// "server closed the stream without sending trailers".
func TestGRPCInterop(t *testing.T) {
	s := start(t)
	s.deploy(fmt.Sprintf(grpcApp, serveInterop(t), 1))
	for name, secure := range map[string]bool{"cleartext": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			for _, c := range interopCases {
				t.Run(c.name, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
					defer cancel()
					for range c.rounds {
						conn := s.connect(secure)
						c.run(ctx, conn, testpb.NewTestServiceClient(conn))
						_ = conn.Close()
					}
				})
			}
		})
	}
}

// A server may end a call while its client has not: the client hears of it at once.
// Seen red before a request's body could be ended by its instance: the status came
// when the client ended its side, which it did when it had the status.
func TestGRPCServersEndCalls(t *testing.T) {
	s := start(t)
	s.deploy(fmt.Sprintf(grpcApp, serveInterop(t), 1))
	for name, secure := range map[string]bool{"cleartext": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			client := testpb.NewTestServiceClient(s.connect(secure))
			for range interopRounds {
				if err := endedByServer(client); status.Code(err) != codes.Aborted {
					t.Fatal(err)
				}
			}
		})
	}
}

// endedByServer returns how a call ends of which one message was answered, when the
// next one makes the server end it.
func endedByServer(client testpb.TestServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for _, message := range []*testpb.StreamingOutputCallRequest{
		{ResponseParameters: []*testpb.ResponseParameters{{Size: 10}}},
		{ResponseStatus: &testpb.EchoStatus{Code: int32(codes.Aborted)}},
	} {
		if err := stream.Send(message); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	return errors.New("the call goes on")
}

// Calls go on while one version after the other takes over.
func TestGRPCCallsSurviveSwitches(t *testing.T) {
	s := start(t)
	addr := serveInterop(t)
	s.deploy(fmt.Sprintf(grpcApp, addr, 1))
	client := testpb.NewTestServiceClient(s.connect(true))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var load sync.WaitGroup
	var mu sync.Mutex
	calls := 0
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				if err := pingPong(client, 3); err != nil {
					t.Errorf("a call was lost: %v", err)
					return
				}
				mu.Lock()
				calls++
				mu.Unlock()
			}
		})
	}
	for i := range 4 {
		s.deploy(fmt.Sprintf(grpcApp, addr, i+2))
	}
	cancel()
	load.Wait()
	t.Logf("%d calls", calls)
}

// pingPong sends n messages and reads an answer to each.
func pingPong(client testpb.TestServiceClient, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for range n {
		if err := stream.Send(&testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: 10}}}); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err = stream.Recv(); err == nil {
		return fmt.Errorf("a message too many")
	}
	return nil
}
