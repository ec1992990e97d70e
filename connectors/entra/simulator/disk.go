package simulator

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets of the file.
var (
	bucketUsers     = []byte("users")     // id → user
	bucketGroups    = []byte("groups")    // id → group
	bucketDeletions = []byte("deletions") // number → Deletion
)

// lockWait is how long opening waits for another process to let go of the file.
const lockWait = 5 * time.Second

// batch is what one request writes: all of it or nothing.
type batch struct {
	items []item
	err   error
}

type item struct {
	bucket []byte
	key    string
	value  []byte // nil removes
}

func (b *batch) put(bucket []byte, key string, v any) {
	value, err := json.Marshal(v)
	if err != nil {
		b.err = err
	}
	b.items = append(b.items, item{bucket, key, value})
}

func (b *batch) remove(bucket []byte, key string) {
	b.items = append(b.items, item{bucket: bucket, key: key})
}

func number(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// disk is the file, or nothing at all when the contents are kept in memory.
type disk struct {
	db     *bbolt.DB
	closed bool
}

func openDisk(folder string) (*disk, error) {
	if folder == "" {
		return &disk{}, nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	// Not synchronized write by write: what a killed process had written is in the operating system's hands.
	db, err := bbolt.Open(filepath.Join(folder, "entra.db"), 0o600, &bbolt.Options{
		Timeout: lockWait, NoSync: true, NoGrowSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketUsers, bucketGroups, bucketDeletions} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return &disk{db: db}, nil
}

func (d *disk) write(b *batch) error {
	if b.err != nil {
		return b.err
	}
	if d.closed {
		return os.ErrClosed
	}
	if d.db == nil {
		return nil
	}
	return d.db.Update(func(tx *bbolt.Tx) error {
		for _, i := range b.items {
			bucket := tx.Bucket(i.bucket)
			var err error
			if i.value == nil {
				err = bucket.Delete([]byte(i.key))
			} else {
				err = bucket.Put([]byte(i.key), i.value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// close also waits for the disk.
func (d *disk) close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	if d.db == nil {
		return nil
	}
	if err := d.db.Sync(); err != nil {
		return err
	}
	return d.db.Close()
}

// load fills an empty store. The log of changes begins anew with the last change of each user.
func (d *disk) load(s *store) error {
	if d.db == nil {
		return nil
	}
	return d.db.View(func(tx *bbolt.Tx) error {
		groups, err := records[group](tx, bucketGroups)
		if err != nil {
			return err
		}
		slices.SortFunc(groups, func(a, b *group) int { return cmp.Compare(a.Seq, b.Seq) })
		for _, g := range groups {
			s.placeGroup(g)
			s.seq = max(s.seq, g.Seq)
			for _, l := range g.MemberOf {
				s.seq = max(s.seq, l.Seq)
			}
		}
		users, err := records[user](tx, bucketUsers)
		if err != nil {
			return err
		}
		slices.SortFunc(users, func(a, b *user) int { return cmp.Compare(a.Change, b.Change) })
		for _, u := range users {
			s.place(u)
			s.seq = max(s.seq, u.Change) // a user's other numbers are below it
		}
		deletions, err := records[Deletion](tx, bucketDeletions)
		for _, deletion := range deletions {
			s.deletions = append(s.deletions, *deletion)
			s.seq = max(s.seq, deletion.Seq)
		}
		return err
	})
}

// records are in the order of their keys.
func records[T any](tx *bbolt.Tx, bucket []byte) ([]*T, error) {
	var out []*T
	err := tx.Bucket(bucket).ForEach(func(key, value []byte) error {
		r := new(T)
		if err := json.Unmarshal(value, r); err != nil {
			return fmt.Errorf("%s %s: %w", bucket, key, err)
		}
		out = append(out, r)
		return nil
	})
	return out, err
}
