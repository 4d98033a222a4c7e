package conformance

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
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

// The interoperability tests end the program when one fails; the log then says
// which.
func TestGRPCInterop(t *testing.T) {
	s := start(t)
	s.deploy(fmt.Sprintf(grpcApp, serveInterop(t), 1))
	for name, secure := range map[string]bool{"cleartext": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			conn := s.connect(secure)
			client := testpb.NewTestServiceClient(conn)
			ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
			defer cancel()
			for _, c := range []struct {
				name string
				run  func()
			}{
				{"empty_unary", func() { interop.DoEmptyUnaryCall(ctx, client) }},
				{"large_unary", func() { interop.DoLargeUnaryCall(ctx, client) }},
				{"client_streaming", func() { interop.DoClientStreaming(ctx, client) }},
				{"server_streaming", func() { interop.DoServerStreaming(ctx, client) }},
				{"ping_pong", func() { interop.DoPingPong(ctx, client) }},
				{"empty_stream", func() { interop.DoEmptyStream(ctx, client) }},
				{"timeout_on_sleeping_server", func() { interop.DoTimeoutOnSleepingServer(ctx, client) }},
				{"cancel_after_begin", func() { interop.DoCancelAfterBegin(ctx, client) }},
				{"cancel_after_first_response", func() { interop.DoCancelAfterFirstResponse(ctx, client) }},
				{"custom_metadata", func() { interop.DoCustomMetadata(ctx, client) }},
				{"status_code_and_message", func() { interop.DoStatusCodeAndMessage(ctx, client) }},
				{"special_status_message", func() { interop.DoSpecialStatusMessage(ctx, client) }},
				{"unimplemented_method", func() { interop.DoUnimplementedMethod(ctx, conn) }},
				{"unimplemented_service", func() { interop.DoUnimplementedService(ctx, testpb.NewUnimplementedServiceClient(conn)) }},
			} {
				t.Run(c.name, func(*testing.T) { c.run() })
			}
		})
	}
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
