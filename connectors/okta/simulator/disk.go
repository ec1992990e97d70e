package simulator

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets of the file.
var (
	bucketUsers   = []byte("users")   // id → user
	bucketGroups  = []byte("groups")  // id → group
	bucketApps    = []byte("apps")    // id → app
	bucketTokens  = []byte("tokens")  // digest → accessToken
	bucketCounter = []byte("counter") // "seq" → the last sequence number given
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
	db, err := bbolt.Open(filepath.Join(folder, "okta.db"), 0o600, &bbolt.Options{
		Timeout: lockWait, NoSync: true, NoGrowSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketUsers, bucketGroups, bucketApps, bucketTokens, bucketCounter} {
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

// load hands everything in a bucket to add.
func load[T any](d *disk, bucket []byte, add func(key string, v T)) error {
	if d.db == nil {
		return nil
	}
	return d.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(key, value []byte) error {
			var v T
			if err := json.Unmarshal(value, &v); err != nil {
				return fmt.Errorf("%s %s: %w", bucket, key, err)
			}
			add(string(key), v)
			return nil
		})
	})
}
