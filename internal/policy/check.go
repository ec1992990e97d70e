package policy

// TargetFault is what is wrong with a target beyond what this package knows.
type TargetFault struct {
	Key string // below the target: connector, settings, settings.baseUrl, correlate
	Err error  // never quotes a secret
}

// CheckTargets asks check, which knows the connectors as this package does not, about each target. The error is a
// Problems, each with its place in the documents.
func (p *Policy) CheckTargets(check func(Target) []TargetFault) error {
	var problems problemList
	for _, target := range p.targets {
		for _, fault := range check(target) {
			path := join("targets["+target.Name+"]", fault.Key)
			problems.addf(p.places.nearest(path), path, "%v", fault.Err)
		}
	}
	return problems.err()
}
