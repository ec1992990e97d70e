package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/scim"
)

// scimPosition is where a page of a list ended: at the last resource's value of what was sorted by, and its id.
type scimPosition struct {
	Key *string   `json:"k"` // as text; nil when the resource has none
	ID  uuid.UUID `json:"i"`
}

// A cursor is a position, sealed with the organization's key (AES-256-GCM, with a random nonce before it) for one list: the
// organization, and the resource type, filter, sorting and direction. It tells nobody whose name came last, cannot be made
// up, and is no use in another organization or for another list.

func sealCursor(key []byte, list string, at scimPosition) (string, error) {
	aead, err := cursorCipher(key)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(at)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(text)+aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, text, []byte(list))), nil
}

// openCursor answers an *scim.Error for every way in which a cursor can be wrong (RFC 9865, section 2.1).
func openCursor(key []byte, list, cursor string) (at scimPosition, err error) {
	aead, err := cursorCipher(key)
	if err != nil {
		return at, err
	}
	invalid := scim.Errorf(400, scim.InvalidCursor,
		"The cursor is not one that this list gave: begin anew with an empty cursor, and keep filter, sortBy and sortOrder.")
	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(sealed) < aead.NonceSize() {
		return at, invalid
	}
	text, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(list))
	if err != nil {
		return at, invalid
	}
	if err := json.Unmarshal(text, &at); err != nil {
		return at, invalid
	}
	return at, nil
}

func cursorCipher(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key of the organization's cursors: %w", err)
	}
	return cipher.NewGCM(block)
}
