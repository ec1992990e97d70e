package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-retry"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tenurehq/tenure/workflows"
)

// temporalOptions are how Temporal is reached, by its own variables and configuration file; false when neither names an
// address.
func (a *app) temporalOptions() (client.Options, bool, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{EnvLookup: a.env})
	if err != nil {
		return client.Options{}, false, fmt.Errorf("read Temporal's configuration: %w", err)
	}
	if profile.Address == "" {
		return client.Options{}, false, nil
	}
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, false, fmt.Errorf("read Temporal's configuration: %w", err)
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	// What matters is in the errors; the client's own lines would stand between the command's.
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	return options, true, nil
}

// retention is how long Temporal keeps a run that has ended. What Tenure needs of it stands in Postgres.
const retention = 72 * time.Hour

// namespaceTimeout bounds how long a fresh namespace may take until every part of the server knows it, which is some
// ten seconds.
const namespaceTimeout = time.Minute

var searchAttributes = map[string]enumspb.IndexedValueType{
	workflows.AttributeOrg.GetName():      workflows.AttributeOrg.GetValueType(),
	workflows.AttributeIdentity.GetName(): workflows.AttributeIdentity.GetValueType(),
	workflows.AttributeStage.GetName():    workflows.AttributeStage.GetValueType(),
	workflows.AttributeDue.GetName():      workflows.AttributeDue.GetValueType(),
}

// prepareNamespace registers the namespace and its search attributes, where they are missing, and returns when both can
// be used. Two at once do no harm.
func prepareNamespace(ctx context.Context, options client.Options) error {
	c, err := client.NewLazyClient(options)
	if err != nil {
		return fmt.Errorf("reach Temporal on %s: %w", options.HostPort, err)
	}
	defer c.Close()
	n := namespace{client: c, name: options.Namespace}
	bounded, cancel := context.WithTimeout(ctx, namespaceTimeout)
	defer cancel()
	var last error
	err = retry.Do(bounded, retry.NewConstant(200*time.Millisecond), func(ctx context.Context) error {
		err := n.prepare(ctx)
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		last = err
		if refused := new(refusedError); errors.As(err, &refused) {
			return err
		}
		return retry.RetryableError(err)
	})
	if err != nil && last != nil && ctx.Err() == nil {
		err = last // says more than that the time is over
	}
	if err != nil {
		return fmt.Errorf("prepare namespace %q on Temporal's %s: %w", n.name, options.HostPort, err)
	}
	return nil
}

// refusedError is a refusal that trying again does not change, with what a person can do.
type refusedError struct {
	cause error
	doing string
	mend  string
}

func (e *refusedError) Error() string { return e.doing + ": " + e.cause.Error() + "\n" + e.mend }
func (e *refusedError) Unwrap() error { return e.cause }

type namespace struct {
	client client.Client
	name   string
}

func (n namespace) prepare(ctx context.Context) error {
	if err := n.register(ctx); err != nil {
		return err
	}
	if err := n.addAttributes(ctx); err != nil {
		return err
	}
	return n.usable(ctx)
}

func (n namespace) register(ctx context.Context) error {
	service := n.client.WorkflowService()
	_, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: n.name})
	if notFound := new(serviceerror.NamespaceNotFound); !errors.As(err, &notFound) {
		return refusal("look for it", err, "Check the namespace's name and the credentials (TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_*).")
	}
	_, err = service.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: n.name, WorkflowExecutionRetentionPeriod: durationpb.New(retention),
		Description: "Tenure: joiners, movers and leavers",
	})
	if exists := new(serviceerror.NamespaceAlreadyExists); errors.As(err, &exists) {
		return nil
	}
	return refusal("register it", err, fmt.Sprintf("Make it by hand and run `tenure migrate` again: `temporal operator namespace create --namespace %s "+
		"--retention 3d`, or on Temporal Cloud `tcld namespace create` or its web page.", n.name))
}

// addAttributes adds those that are missing. A server that does not let the attributes be listed may still have them:
// usable tells.
func (n namespace) addAttributes(ctx context.Context) error {
	operator := n.client.OperatorService()
	present, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: n.name})
	if refuses(err) {
		if n.usable(ctx) == nil {
			return nil
		}
		return n.byHand("list its search attributes", err)
	}
	if err != nil {
		return fmt.Errorf("list its search attributes: %w", err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for name, kind := range searchAttributes {
		has, ok := present.GetCustomAttributes()[name]
		switch {
		case !ok:
			missing[name] = kind
		case has != kind:
			return &refusedError{doing: "check its search attributes", cause: fmt.Errorf("%s is of type %s and must be %s", name, has, kind),
				mend: "Use another namespace, or rename the attribute that is there."}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: n.name, SearchAttributes: missing})
	if refuses(err) {
		return n.byHand("add search attributes", err)
	}
	if err != nil {
		return fmt.Errorf("add search attributes: %w", err)
	}
	return nil
}

// byHand says how a person adds the search attributes.
func (n namespace) byHand(doing string, cause error) error {
	var local, cloud strings.Builder
	for _, name := range slices.Sorted(maps.Keys(searchAttributes)) {
		kind := searchAttributes[name].String()
		fmt.Fprintf(&local, " --name %s --type %s", name, kind)
		fmt.Fprintf(&cloud, " --search-attribute %s=%s", name, kind)
	}
	return &refusedError{doing: doing, cause: cause, mend: fmt.Sprintf(
		"Add them by hand and run `tenure migrate` again, or leave this step out with --skip-temporal:\n"+
			"  temporal operator search-attribute create --namespace %[1]s%[2]s\n"+
			"or on Temporal Cloud:\n  tcld namespace search-attributes add --namespace %[1]s%[3]s", n.name, local.String(), cloud.String())}
}

// usable asks the frontend, history and visibility whether they know the namespace and its search attributes.
func (n namespace) usable(ctx context.Context) error {
	query := slices.Sorted(maps.Keys(searchAttributes))
	for i, name := range query {
		query[i] = name + " IS NULL"
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType = 'none' AND " + strings.Join(query, " AND ")}
	if _, err := n.client.ListWorkflow(ctx, request); err != nil {
		return fmt.Errorf("wait until it can be searched: %w", err)
	}
	_, err := n.client.DescribeWorkflowExecution(ctx, "none", "")
	if notFound := new(serviceerror.NotFound); err == nil || errors.As(err, &notFound) {
		return nil
	}
	return fmt.Errorf("wait until it can be used: %w", err)
}

// refuses reports whether the server does not let us do it, or does not know how.
func refuses(err error) bool {
	if err == nil {
		return false
	}
	code := serviceerror.ToStatus(err).Code()
	return code == codes.PermissionDenied || code == codes.Unauthenticated || code == codes.Unimplemented
}

func refusal(doing string, err error, mend string) error {
	switch {
	case err == nil:
		return nil
	case refuses(err):
		return &refusedError{doing: doing, cause: err, mend: mend}
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}
