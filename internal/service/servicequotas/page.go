package servicequotas

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// page cuts a list down to the page asked for. A token is the key of the last
// row of the page before, sealed with a checksum of the request: it is good for
// the same request only. Error: InvalidPaginationTokenException.
func page[T any](rows []T, key func(T) string, max *int32, token *string, request ...any) ([]T, *string, error) {
	if token != nil && *token != "" {
		after, err := opened(*token, request)
		if err != nil {
			return nil, nil, err
		}
		i := slices.IndexFunc(rows, func(row T) bool { return key(row) == after })
		if i < 0 {
			return nil, nil, invalidToken()
		}
		rows = rows[i+1:]
	}
	if max == nil || len(rows) <= int(*max) {
		return rows, nil, nil
	}
	rows = rows[:*max]
	last := key(rows[len(rows)-1])
	return rows, new(base64.StdEncoding.EncodeToString(append(sum(request, last), last...))), nil
}

func opened(token string, request []any) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(raw) <= sealSize {
		return "", invalidToken()
	}
	after := string(raw[sealSize:])
	if !bytes.Equal(raw[:sealSize], sum(request, after)) {
		return "", invalidToken()
	}
	return after, nil
}

func invalidToken() error {
	return awserr.New("InvalidPaginationTokenException", "Invalid input was provided: the pagination token is not valid.")
}

const sealSize = 12

// sum is a checksum, not a secret: a position in one's own listing opens nothing.
func sum(request []any, after string) []byte {
	b, err := json.Marshal(append(slices.Clip(request), after))
	if err != nil {
		panic("servicequotas: a request is plain data: " + err.Error())
	}
	h := sha256.Sum256(b)
	return h[:sealSize]
}
