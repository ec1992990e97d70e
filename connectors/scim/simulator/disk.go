package simulator

import (
	"bytes"
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
	bucketUsers   = []byte("users")   // id → record
	bucketGroups  = []byte("groups")  // id → record
	bucketMembers = []byte("members") // group id, NUL, user id → sequence number
	bucketAudit   = []byte("audit")   // sequence number → Write
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

func (b *batch) putRecord(bucket []byte, r *record) { b.put(bucket, r.ID, r) }

func (b *batch) putMember(groupID, userID string, seq uint64) {
	b.items = append(b.items, item{bucketMembers, memberKey(groupID, userID), number(seq)})
}

func (b *batch) putEntry(w Write) { b.put(bucketAudit, string(number(w.Seq)), w) }

func (b *batch) remove(bucket []byte, key string) {
	b.items = append(b.items, item{bucket: bucket, key: key})
}

func memberKey(groupID, userID string) string { return groupID + "\x00" + userID }

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

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
	db, err := bbolt.Open(filepath.Join(folder, "scim.db"), 0o600, &bbolt.Options{
		Timeout: lockWait, NoSync: true, NoGrowSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketUsers, bucketGroups, bucketMembers, bucketAudit} {
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

// load fills an empty store.
func (d *disk) load(s *store) error {
	if d.db == nil {
		return nil
	}
	return d.db.View(func(tx *bbolt.Tx) error {
		users, err := records(tx, bucketUsers)
		if err != nil {
			return err
		}
		for _, r := range users {
			s.addUser(&user{record: r, groups: map[string]struct{}{}})
			s.seq = max(s.seq, r.Seq)
		}
		groups, err := records(tx, bucketGroups)
		if err != nil {
			return err
		}
		for _, r := range groups {
			g := &group{record: r, members: map[string]uint64{}}
			s.groups[g.ID] = g
			s.groupOrder.add(g.ID, g.Seq)
			s.indexGroup(g)
			s.seq = max(s.seq, r.Seq)
		}
		if err := loadMembers(tx, s); err != nil {
			return err
		}
		return tx.Bucket(bucketAudit).ForEach(func(_, value []byte) error {
			var w Write
			if err := json.Unmarshal(value, &w); err != nil {
				return fmt.Errorf("audit entry: %w", err)
			}
			s.audit = append(s.audit, w)
			s.seq = max(s.seq, w.Seq)
			return nil
		})
	})
}

// records are in the order of creation.
func records(tx *bbolt.Tx, bucket []byte) ([]record, error) {
	var out []record
	err := tx.Bucket(bucket).ForEach(func(key, value []byte) error {
		var r record
		if err := json.Unmarshal(value, &r); err != nil {
			return fmt.Errorf("record %s: %w", key, err)
		}
		out = append(out, r)
		return nil
	})
	slices.SortFunc(out, func(a, b record) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, err
}

func loadMembers(tx *bbolt.Tx, s *store) error {
	return tx.Bucket(bucketMembers).ForEach(func(key, value []byte) error {
		groupID, userID, _ := bytes.Cut(key, []byte{0})
		g, u := s.groups[string(groupID)], s.users[string(userID)]
		if g == nil || u == nil || len(value) != 8 {
			return fmt.Errorf("membership %q does not fit the users and groups", key)
		}
		seq := binary.BigEndian.Uint64(value)
		g.members[u.ID] = seq
		u.groups[g.ID] = struct{}{}
		s.seq = max(s.seq, seq)
		return nil
	})
}
