package stack

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// WriteFile writes a file so that a reader, or a crash, sees the old contents or the new, never a part.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once renamed, as it should
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

// Secret reads the random secret kept in a file of mode 0600, and makes it the first time: 64 hexadecimal digits.
func Secret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(text))) == 64 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	secret := hex.EncodeToString(random)
	return secret, WriteFile(path, []byte(secret+"\n"), 0o600)
}

// Password derives a role's password from a secret, so that one secret is kept, and whoever has it knows them all.
func Password(secret, role string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(role))
	return hex.EncodeToString(mac.Sum(nil))[:40]
}

// Lock takes an exclusive lock on a file, waiting when wait is set. It is freed by the returned function, or by the end
// of this process. Without wait a lock held elsewhere is (nil, nil).
func Lock(path string, wait bool) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return func() { f.Close() }, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, f.Close()
	default:
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
}

// Reachable reports whether a user other than this process's can get to a folder: every folder on the way, as far as it
// exists, must be open to others or belong to them.
func Reachable(dir string, user *syscall.Credential) bool {
	if user == nil {
		return true
	}
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !mayTraverse(info, user) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

func mayTraverse(info os.FileInfo, user *syscall.Credential) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch {
	case owner.Uid == user.Uid:
		return info.Mode()&0o100 != 0
	case owner.Gid == user.Gid:
		return info.Mode()&0o010 != 0
	default:
		return info.Mode()&0o001 != 0
	}
}
