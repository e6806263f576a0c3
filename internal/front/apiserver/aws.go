package apiserver

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/aws/sigv4"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
)

// serveAWS answers one request to an AWS service.
func (s *Server) serveAWS(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	id := w.Header().Get("x-amzn-RequestId")
	svc := s.fallback(r.Header, r.URL.Path)
	defer s.rescue(r, id, func(err error) { s.fail(w, svc.API, id, "", err) })
	if why := s.foreign(w, r); why != nil {
		s.fail(w, svc.API, id, "", why)
		return
	}
	req, err := proto.ReadRequest(r, s.limits.Body)
	if err != nil {
		s.fail(w, svc.API, id, "", err)
		return
	}
	svc, cred, err := s.route(req)
	if err != nil {
		s.fail(w, svc.API, id, "", err)
		return
	}
	action, err := svc.API.Protocol.Action(svc.API, req)
	if err != nil {
		s.fail(w, svc.API, id, "", err)
		return
	}
	if err := versioned(svc.API, req, action); err != nil {
		s.fail(w, svc.API, id, action, err)
		return
	}
	act, ok := svc.Actions[action]
	if !ok {
		s.fail(w, svc.API, id, action, proto.InvalidAction(awserr.Clip(action)))
		return
	}
	if isOutside(r) && homebound[action] {
		s.fail(w, svc.API, id, action, awserr.New("UnsupportedOperation", "%s names files of the machine that localvpc runs on: call it from there.", action))
		return
	}
	caller, err := s.caller(svc, cred, r, req.Body)
	if err != nil {
		s.fail(w, svc.API, id, action, err)
		return
	}
	in := act.NewInput()
	if err := svc.API.Protocol.DecodeInput(svc.API, action, req, in); err != nil {
		s.fail(w, svc.API, id, action, err)
		return
	}
	// A caller that hangs up does not stop what it asked for half way.
	out, err := s.cfg.Runner.Do(context.WithoutCancel(r.Context()), act, caller, in)
	if err != nil {
		s.fail(w, svc.API, id, action, err)
		return
	}
	var body bytes.Buffer
	svc.API.Protocol.EncodeOutput(&body, svc.API, action, id, out)
	s.send(w, svc.API, svc.API.Protocol.OutputHeader(w.Header(), svc.API, action, out), &body)
	s.cfg.Log.Debug("served", "service", svc.API.Service, "action", action, "region", caller.Region, "account", caller.Account, "request", id, "took", time.Since(start))
}

// versioned refuses an action of another version of a Query service: the classic load
// balancers' API has the name and the actions of that of the others, and other
// meanings. EC2 takes whatever version.
func versioned(api *proto.API, req *proto.Request, action string) error {
	if api.Protocol != proto.Query {
		return nil
	}
	form, err := req.Form()
	if err != nil {
		return err
	}
	if v := form.Get("Version"); v != "" && v != api.Version {
		return awserr.New("InvalidAction", "Could not find operation %s for version %s", awserr.Clip(action), awserr.Clip(v))
	}
	return nil
}

// fallback is the service in whose protocol a request is refused that is for
// none: the caller cannot read another's.
func (s *Server) fallback(h http.Header, path string) Service {
	for _, svc := range s.cfg.Services {
		if svc.API.HasPath(path) {
			return svc
		}
	}
	if target := h.Get(proto.TargetHeader); target != "" {
		name, _, _ := strings.Cut(target, ".")
		other := -1
		for i, svc := range s.cfg.Services {
			if svc.API.Target == name {
				return svc
			}
			if other < 0 && svc.API.Target != "" {
				other = i
			}
		}
		if other >= 0 {
			return s.cfg.Services[other]
		}
	}
	return s.cfg.Services[0]
}

// route finds the service by the signature's scope; unsigned requests by their
// path, by X-Amz-Target, else by Version and Action.
func (s *Server) route(req *proto.Request) (Service, sigv4.Credential, error) {
	fallback := s.fallback(req.Header, req.Path)
	cred, err := sigv4.Parse(req.Header, req.RawQuery)
	if err != nil {
		if svc, ok := s.named(req, fallback); ok {
			return svc, cred, err
		}
		return fallback, cred, err
	}
	for _, svc := range s.cfg.Services {
		if cred.Service != "" && svc.Signing == cred.Service {
			return svc, cred, nil
		}
	}
	if cred.Service != "" {
		return fallback, cred, awserr.New("InvalidAction", "The service %s is not offered at this endpoint.", awserr.Clip(cred.Service))
	}
	if fallback.API.Target != "" || fallback.API.HasPath(req.Path) {
		return fallback, cred, nil // whose Action says whether it is meant
	}
	form, err := req.Form()
	if err != nil {
		return fallback, cred, err
	}
	if svc, ok := s.named(req, fallback); ok {
		return svc, cred, nil
	}
	action := form.Get("Action")
	if action == "" {
		return fallback, cred, awserr.New("MissingAction", "The request is missing an action or a required parameter.")
	}
	return fallback, cred, proto.InvalidAction(awserr.Clip(action))
}

// named is the service that a form names by its Version, else by its Action.
func (s *Server) named(req *proto.Request, fallback Service) (Service, bool) {
	form, err := req.Form()
	if err != nil || fallback.API.Target != "" || fallback.API.HasPath(req.Path) {
		return fallback, false
	}
	version, action := form.Get("Version"), form.Get("Action")
	for _, svc := range s.cfg.Services {
		if version == svc.API.Version {
			return svc, true
		}
	}
	for _, svc := range s.cfg.Services {
		if svc.API.Known(action) {
			return svc, true
		}
	}
	return fallback, false
}

// caller says who sent a request, from which account and to which Region. A key
// that was issued is verified; of others neither signature nor clock is looked at.
func (s *Server) caller(svc Service, cred sigv4.Credential, r *http.Request, body []byte) (service.Caller, error) {
	region := cred.Region
	if region == "" {
		region = s.regionOfHost(r.Host)
	}
	if region == "" {
		region = s.cfg.Region
	}
	if !s.cfg.Regions(region) {
		code := "SignatureDoesNotMatch"
		if svc.API.Service == "ec2" {
			code = "AuthFailure"
		}
		return service.Caller{}, awserr.New(code, "Credential should be scoped to a valid Region, not '%s'.", awserr.Clip(region))
	}
	find := s.cfg.Keys.Find
	if isOutside(r) {
		find = s.cfg.Keys.Issued
	}
	holder, err := find(cred.AccessKeyID, cred.SessionToken)
	if err != nil {
		return service.Caller{}, err
	}
	if holder.Secret != "" {
		if err := s.verifier.Verify(&cred, r, body, holder.Secret, s.cfg.Keys.Now()); err != nil {
			return service.Caller{}, err
		}
	}
	c := holder.Caller
	c.Region, c.UserAgent = region, r.UserAgent()
	s.cfg.Keys.Used(&c, svc.API.Service)
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.SourceIP, _ = netip.ParseAddr(host)
	}
	return c, nil
}

// regionOfHost reads the Region from an endpoint's name: that of AWS, as in
// ec2.eu-west-1.amazonaws.com, or one of this machine that says it as well, as in
// ec2.eu-west-1.localhost and eu-west-1.localhost.
func (s *Server) regionOfHost(host string) string {
	name := hostname(host)
	for _, suffix := range []string{".amazonaws.com", ".api.aws"} {
		if labels, ok := strings.CutSuffix(name, suffix); ok {
			_, region, _ := strings.Cut(labels, ".")
			return region
		}
	}
	for _, suffix := range []string{".localhost", ".localhost.localstack.cloud"} {
		if labels, ok := strings.CutSuffix(name, suffix); ok {
			if region := labels[strings.LastIndexByte(labels, '.')+1:]; s.cfg.Regions(region) {
				return region
			}
		}
	}
	return ""
}

func (s *Server) fail(w http.ResponseWriter, api *proto.API, id, action string, err error) {
	e := api.Protocol.Spell(awserr.From(err))
	s.logFailure(id, action, e)
	var body bytes.Buffer
	api.Protocol.EncodeError(&body, api, id, e)
	api.Protocol.ErrorHeader(w.Header(), e)
	s.send(w, api, e.Status, &body)
}

func (s *Server) send(w http.ResponseWriter, api *proto.API, status int, body *bytes.Buffer) {
	h := w.Header()
	h.Set("Content-Type", api.Protocol.ContentType())
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Server", "localvpc")
	s.bound(w)
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the caller may have gone; nothing to do about it
}
