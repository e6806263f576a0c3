//go:build linux

package guest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// bundles are where programs look for the authorities that they trust, as PEM: on
// Debian and its like, and on Fedora, Amazon Linux and theirs. The first one is
// made where there is none.
var bundles = []string{bundle, "/etc/pki/tls/certs/ca-bundle.crt"}

const bundle = "/etc/ssl/certs/ca-certificates.crt"

// maxBundle bounds what is read of a bundle, in octets.
const maxBundle = 4 << 20

// trust adds certificates to the bundles that do not have them.
func trust(certificates string) error {
	if certificates == "" {
		return nil
	}
	for _, path := range bundles {
		if err := addTrust(path, []byte(certificates)); err != nil {
			return err
		}
	}
	return nil
}

func addTrust(path string, certificates []byte) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if path != bundle {
			return nil
		}
		return replace(path, certificates, 0o644)
	}
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxBundle))
	file.Close()
	if err != nil || bytes.Contains(text, certificates) || len(text) == maxBundle {
		return err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return replace(path, append(text, certificates...), 0o644)
}
