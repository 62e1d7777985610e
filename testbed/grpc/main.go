// A gRPC server and a client of it, by the library that most have: for tests of what is between them.
//
//	grpc serve ADDRESS                 until it is killed
//	grpc ask ADDRESS AUTHORITY [tls]   every kind of call; a line for each, and an error status where one is not as it should be
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type text = wrapperspb.StringValue

var service = grpc.ServiceDesc{
	ServiceName: "test.Echo",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Down", Handler: down, ServerStreams: true},
		{StreamName: "Up", Handler: up, ClientStreams: true},
		{StreamName: "Both", Handler: both, ServerStreams: true, ClientStreams: true},
	},
}

// What is asked for by the text: `fail` a status at once, `slow` a wait for the deadline, anything else itself.
func unary(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(text)
	if err := decode(in); err != nil {
		return nil, err
	}
	grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "there"))
	switch in.Value {
	case "fail":
		return nil, status.Error(codes.PermissionDenied, "not you: 100 % ü")
	case "slow":
		deadline, ok := ctx.Deadline()
		if !ok || time.Until(deadline) > 2*time.Second {
			return nil, status.Error(codes.Internal, "no deadline came")
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	given, _ := metadata.FromIncomingContext(ctx)
	return wrapperspb.String(strings.Join(given.Get("x-given"), ",") + "/" + in.Value), nil
}

func down(_ any, stream grpc.ServerStream) error {
	in := new(text)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	for i := range 50 {
		if err := stream.SendMsg(wrapperspb.String(fmt.Sprint(in.Value, i))); err != nil {
			return err
		}
	}
	return status.Error(codes.DataLoss, "after fifty")
}

func up(_ any, stream grpc.ServerStream) error {
	length := 0
	for {
		in := new(text)
		err := stream.RecvMsg(in)
		if errors.Is(err, io.EOF) {
			return stream.SendMsg(wrapperspb.String(fmt.Sprint(length)))
		}
		if err != nil {
			return err
		}
		length += len(in.Value)
	}
}

func both(_ any, stream grpc.ServerStream) error {
	for {
		in := new(text)
		if err := stream.RecvMsg(in); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(in); err != nil {
			return err
		}
	}
}

func serve(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	server.RegisterService(&service, nil)
	return server.Serve(listener)
}

// A kind of call, and what it should come to.
type call struct {
	name string
	do   func(context.Context, *grpc.ClientConn) error
}

var calls = []call{
	{"unary", func(ctx context.Context, to *grpc.ClientConn) error {
		var trailer metadata.MD
		out := new(text)
		ctx = metadata.AppendToOutgoingContext(ctx, "x-given", "value")
		if err := to.Invoke(ctx, "/test.Echo/Unary", wrapperspb.String("hello"), out, grpc.Trailer(&trailer)); err != nil {
			return err
		}
		return equal(out.Value+" "+strings.Join(trailer.Get("x-trailer"), ","), "value/hello there")
	}},
	{"server stream", func(ctx context.Context, to *grpc.ClientConn) error {
		stream, err := to.NewStream(ctx, &service.Streams[0], "/test.Echo/Down")
		if err == nil {
			err = stream.SendMsg(wrapperspb.String("n"))
		}
		if err == nil {
			err = stream.CloseSend()
		}
		for i := 0; err == nil; i++ {
			out := new(text)
			if err = stream.RecvMsg(out); err == nil {
				err = equal(out.Value, fmt.Sprint("n", i))
			} else if i == 50 {
				return is(err, codes.DataLoss, "after fifty")
			}
		}
		return err
	}},
	{"client stream", func(ctx context.Context, to *grpc.ClientConn) error {
		stream, err := to.NewStream(ctx, &service.Streams[1], "/test.Echo/Up")
		for i := 0; err == nil && i < 100; i++ {
			err = stream.SendMsg(wrapperspb.String(strings.Repeat("x", 10_000)))
		}
		if err == nil {
			err = stream.CloseSend()
		}
		out := new(text)
		if err == nil {
			err = stream.RecvMsg(out)
		}
		if err != nil {
			return err
		}
		return equal(out.Value, "1000000")
	}},
	{"both", func(ctx context.Context, to *grpc.ClientConn) error {
		stream, err := to.NewStream(ctx, &service.Streams[2], "/test.Echo/Both")
		for i := 0; err == nil && i < 20; i++ {
			// Each is there before the next is sent: nothing between waits for the end of the stream.
			sent, out := fmt.Sprint("m", i), new(text)
			if err = stream.SendMsg(wrapperspb.String(sent)); err == nil {
				err = stream.RecvMsg(out)
			}
			if err == nil {
				err = equal(out.Value, sent)
			}
		}
		if err == nil {
			err = stream.CloseSend()
		}
		if err != nil {
			return err
		}
		if err = stream.RecvMsg(new(text)); !errors.Is(err, io.EOF) {
			return fmt.Errorf("no end: %w", err)
		}
		return nil
	}},
	{"deadline", func(ctx context.Context, to *grpc.ClientConn) error {
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		begin := time.Now()
		err := to.Invoke(ctx, "/test.Echo/Unary", wrapperspb.String("slow"), new(text))
		if took := time.Since(begin); took > 2*time.Second {
			return fmt.Errorf("it took %v", took)
		}
		return is(err, codes.DeadlineExceeded, "")
	}},
	{"trailers only", func(ctx context.Context, to *grpc.ClientConn) error {
		err := to.Invoke(ctx, "/test.Echo/Unary", wrapperspb.String("fail"), new(text))
		return is(err, codes.PermissionDenied, "not you: 100 % ü")
	}},
	{"unknown method", func(ctx context.Context, to *grpc.ClientConn) error {
		return is(to.Invoke(ctx, "/test.Echo/Other", wrapperspb.String("x"), new(text)), codes.Unimplemented, "")
	}},
}

func ask(address, authority string, secure bool) error {
	options := []grpc.DialOption{grpc.WithAuthority(authority)}
	if secure {
		config := &tls.Config{InsecureSkipVerify: true, ServerName: authority}
		options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	} else {
		options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	}
	connection, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		return err
	}
	defer connection.Close()
	failed := false
	for _, call := range calls {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := call.do(ctx, connection)
		cancel()
		fmt.Printf("%s: %v\n", call.name, err)
		failed = failed || err != nil
	}
	if failed {
		return errors.New("not all calls came to what they should")
	}
	return nil
}

func equal(got, want string) error {
	if got != want {
		return fmt.Errorf("%q in place of %q", got, want)
	}
	return nil
}

func is(err error, code codes.Code, message string) error {
	got := status.Convert(err)
	if got.Code() != code || message != "" && got.Message() != message {
		return fmt.Errorf("%v in place of %v: %s", err, code, message)
	}
	return nil
}

func main() {
	var err error
	switch arguments := os.Args[1:]; {
	case len(arguments) == 2 && arguments[0] == "serve":
		err = serve(arguments[1])
	case len(arguments) >= 3 && arguments[0] == "ask":
		err = ask(arguments[1], arguments[2], len(arguments) > 3 && arguments[3] == "tls")
	default:
		err = errors.New("grpc serve ADDRESS | grpc ask ADDRESS AUTHORITY [tls]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
