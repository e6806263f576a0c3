package app

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/node/authority"
	"github.com/localvpc/localvpc/internal/node/datagram"
	"github.com/localvpc/localvpc/internal/node/listen"
	"github.com/localvpc/localvpc/internal/state"
)

// awsEndpoint serves AWS's endpoints in the simulated internet, so that programs in
// instances find them at AWS's names without a setting.
type awsEndpoint struct {
	e   *engine
	tls *tls.Config // nil: plain HTTP
}

// endpoints gives the handlers of the simulated internet's address, and what
// instances have to trust.
func (e *engine) endpoints(dir string) (handlers map[string]listen.Handler, trust []byte, err error) {
	ca, err := authority.Keep(dir, time.Now())
	if err != nil {
		return nil, nil, err
	}
	secure, err := ca.Endpoints(time.Now())
	if err != nil {
		return nil, nil, err
	}
	return map[string]listen.Handler{"api": awsEndpoint{e, nil}, "api-tls": awsEndpoint{e, secure}}, ca.PEM(), nil
}

// Certificate implements apiserver.Control.
func (e *engine) Certificate() ([]byte, error) {
	if e.notary == nil {
		return nil, awserr.New("UnsupportedOperation", "There is no certificate: localvpc runs with --no-packets.")
	}
	return e.notary.Certificate()
}

func (p awsEndpoint) ServePacket(c *datagram.Conn, _ state.Key) error {
	return fmt.Errorf("the API is not served over UDP: %s", c.LocalAddr())
}

// ServeStream begins when the engine serves: a listener that an earlier engine has
// left is there before.
func (p awsEndpoint) ServeStream(l net.Listener, _ state.Key) error {
	<-p.e.serving
	if p.tls != nil {
		l = tls.NewListener(l, p.tls)
	}
	return p.e.server.ServeOutside(l)
}
