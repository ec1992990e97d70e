package entra

import (
	"sync"
	"time"
)

// namesAge is how long the names of products and app roles are kept. They change hardly ever, and each reading of an
// account's grants needs them.
const namesAge = time.Minute

// nameCache keeps names by kind and native id.
type nameCache struct {
	mu    sync.Mutex
	names map[string]cachedName
	now   func() time.Time
}

type cachedName struct {
	name string
	at   time.Time
}

func newNameCache() *nameCache { return &nameCache{names: map[string]cachedName{}, now: time.Now} }

// get answers the name under the key; load reads it, with others that come along, when it is not known or old. A name that
// load does not find is "".
func (n *nameCache) get(key string, load func() (map[string]string, error)) (string, error) {
	n.mu.Lock()
	known, ok := n.names[key]
	n.mu.Unlock()
	if ok && n.now().Sub(known.at) < namesAge {
		return known.name, nil
	}
	at := n.now()
	loaded, err := load()
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[key] = cachedName{at: at}
	for k, name := range loaded {
		n.names[k] = cachedName{name, at}
	}
	return n.names[key].name, nil
}
