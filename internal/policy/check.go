package policy

// CheckTargets asks check, which knows the connectors as this package does not, about each target. What check answers is
// the key at fault below the target (connector, settings, settings.baseUrl) and what is wrong with it, which must not
// quote a secret. The error is a Problems, each with its place in the documents.
func (p *Policy) CheckTargets(check func(Target) (key string, err error)) error {
	var problems problemList
	for _, target := range p.targets {
		if key, err := check(target); err != nil {
			path := join("targets["+target.Name+"]", key)
			problems.addf(p.places.nearest(path), path, "%v", err)
		}
	}
	return problems.err()
}
