// Package namespace names the Temporal namespace that tests share. It stands apart from testkit because deploy/local,
// which prepares the namespace, must not link the testing package.
package namespace

import (
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// Name is the namespace.
const Name = "tenure-test"

// SearchAttributes are those that Tenure's workflows set.
func SearchAttributes() stack.SearchAttributes {
	return stack.SearchAttributes{
		"TenureOrg":      enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"TenureIdentity": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"TenureStage":    enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"TenureDue":      enumspb.INDEXED_VALUE_TYPE_DATETIME,
	}
}
