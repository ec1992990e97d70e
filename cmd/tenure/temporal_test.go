package main

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenurehq/tenure/internal/testkit"
)

// strictServer is a Temporal that lets namespaces and search attributes be managed elsewhere only.
type strictServer struct {
	workflowservice.UnimplementedWorkflowServiceServer
	operatorservice.UnimplementedOperatorServiceServer

	denied     bool // it does not know us at all
	missing    bool // it does not have the namespace
	attributes map[string]enumspb.IndexedValueType
	listable   bool // it tells which search attributes there are
	searchable bool // the search attributes are there
}

func (s *strictServer) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (s *strictServer) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	switch {
	case s.denied:
		return nil, status.Error(codes.Unauthenticated, "no credentials")
	case s.missing:
		return nil, serviceerror.ToStatus(serviceerror.NewNamespaceNotFound("cloud.a1b2")).Err()
	}
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func (s *strictServer) RegisterNamespace(context.Context, *workflowservice.RegisterNamespaceRequest) (*workflowservice.RegisterNamespaceResponse, error) {
	return nil, status.Error(codes.PermissionDenied, "not here")
}

func (s *strictServer) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest) (*operatorservice.ListSearchAttributesResponse, error) {
	if !s.listable {
		return nil, status.Error(codes.PermissionDenied, "not here")
	}
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: s.attributes}, nil
}

func (s *strictServer) ListWorkflowExecutions(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	if !s.searchable {
		return nil, status.Error(codes.InvalidArgument, "unknown search attribute")
	}
	return &workflowservice.ListWorkflowExecutionsResponse{}, nil
}

func (s *strictServer) DescribeWorkflowExecution(context.Context, *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return nil, status.Error(codes.NotFound, "no such run")
}

func (s *strictServer) start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, s)
	operatorservice.RegisterOperatorServiceServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	return listener.Addr().String()
}

func TestMigrateSaysWhatToDoByHand(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		server strictServer
		errOut []string // empty: it succeeds
	}{
		{"everything is there", strictServer{searchable: true}, nil},
		{"credentials", strictServer{denied: true}, []string{`namespace "cloud.a1b2"`, "no credentials", "TEMPORAL_API_KEY"}},
		{"namespace", strictServer{missing: true}, []string{"register it", "temporal operator namespace create --namespace cloud.a1b2 --retention 3d", "Temporal Cloud"}},
		{"attributes not told", strictServer{}, []string{
			"--name TenureDue --type Datetime --name TenureIdentity --type Keyword --name TenureOrg --type Keyword --name TenureStage --type Keyword",
			"tcld namespace search-attributes add --namespace cloud.a1b2", "--search-attribute TenureStage=Keyword", "--skip-temporal"}},
		{"attributes not added", strictServer{listable: true}, []string{"add search attributes", "temporal operator search-attribute create"}},
		{"attribute of another type", strictServer{listable: true, attributes: map[string]enumspb.IndexedValueType{
			"TenureOrg": enumspb.INDEXED_VALUE_TYPE_INT}}, []string{"TenureOrg is of type Int and must be Keyword"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env := environ{"DATABASE_URL": testkit.Postgres(t).Owner, "TEMPORAL_ADDRESS": test.server.start(t), "TEMPORAL_NAMESPACE": "cloud.a1b2"}
			r := tenure(t, env, "migrate")
			if len(test.errOut) == 0 {
				require.Zero(t, r.code, r.errOut)
				require.Contains(t, r.out, `namespace "cloud.a1b2" on `+env["TEMPORAL_ADDRESS"]+" is ready")
				return
			}
			require.Equal(t, 1, r.code)
			for _, part := range test.errOut {
				require.Contains(t, r.errOut, part)
			}
		})
	}
}
