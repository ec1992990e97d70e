package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// SearchAttributes are the names and types of a namespace's search attributes.
type SearchAttributes map[string]enumspb.IndexedValueType

func newClient(address, namespace string) (client.Client, error) {
	return client.NewLazyClient(client.Options{HostPort: address, Namespace: namespace,
		Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
}

// answers reports whether frontend, history (all shards) and matching serve requests.
func answers(ctx context.Context, address string) error {
	const system = "temporal-system"
	c, err := newClient(address, system)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return err
	}
	// Ids spread over the shards by their hash: 32 reach each of four with certainty for all practical purposes.
	for i := range 32 {
		_, err := c.WorkflowService().DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
			Namespace: system, Execution: &commonpb.WorkflowExecution{WorkflowId: fmt.Sprintf("ready/%d", i)},
		})
		if notFound := new(serviceerror.NotFound); !errors.As(err, &notFound) {
			return fmt.Errorf("history: %w", err)
		}
	}
	_, err = c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: system, TaskQueue: &taskqueuepb.TaskQueue{Name: "ready"},
		TaskQueueType: enumspb.TASK_QUEUE_TYPE_WORKFLOW,
	})
	if err != nil {
		return fmt.Errorf("matching: %w", err)
	}
	return nil
}

// workerServes reports whether the service that runs Temporal's own workflows has started. It is the last, and the
// whole server ends if the database goes away before it has.
func workerServes(ctx context.Context, address string) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	const service = "temporal.api.workflowservice.v1.WorkerService" // service/worker/service.go
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: service})
	if err == nil && answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		err = errors.New(answer.GetStatus().String())
	}
	if err != nil {
		return fmt.Errorf("worker service: %w", err)
	}
	return nil
}

// PrepareNamespace registers a namespace with its search attributes, when they are missing, and returns when both can
// be used. Concurrent callers do no harm.
func PrepareNamespace(ctx context.Context, address, namespace string, attributes SearchAttributes) error {
	c, err := newClient(address, namespace)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		err := prepareNamespace(ctx, c, namespace, attributes)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("prepare Temporal's namespace %s on %s: %w", namespace, address, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// errNotYet says that what was written is not visible yet.
var errNotYet = errors.New("the namespace is not usable yet")

func prepareNamespace(ctx context.Context, c client.Client, namespace string, attributes SearchAttributes) error {
	_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if notFound := new(serviceerror.NamespaceNotFound); errors.As(err, &notFound) {
		_, err = c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
			Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(72 * time.Hour),
		})
		if exists := new(serviceerror.NamespaceAlreadyExists); errors.As(err, &exists) {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	if added, err := addAttributes(ctx, c, namespace, attributes); err != nil || added {
		return errors.Join(err, errNotYet)
	}
	// Asks the frontend, history and visibility at once whether they know the namespace and its attributes.
	conditions := []string{"WorkflowType = 'none'"}
	for name := range attributes {
		conditions = append(conditions, name+" IS NULL")
	}
	_, err = c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: strings.Join(conditions, " AND ")})
	if err != nil {
		return err
	}
	_, err = c.DescribeWorkflowExecution(ctx, "none", "")
	if notFound := new(serviceerror.NotFound); errors.As(err, &notFound) {
		return nil
	}
	return errors.Join(errNotYet, err)
}

// addAttributes adds the attributes that are missing and reports whether there were any.
func addAttributes(ctx context.Context, c client.Client, namespace string, attributes SearchAttributes) (bool, error) {
	present, err := c.OperatorService().ListSearchAttributes(ctx,
		&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return false, err
	}
	missing := SearchAttributes{}
	for name, kind := range attributes {
		if _, ok := present.GetCustomAttributes()[name]; !ok {
			missing[name] = kind
		}
	}
	if len(missing) == 0 {
		return false, nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx,
		&operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	return true, err
}
