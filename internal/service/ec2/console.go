package ec2

import (
	"encoding/base64"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// maxConsole is how much console output is given, of its end (EC2 API Reference,
// GetConsoleOutput).
const maxConsole = 64 << 10

// GetConsoleOutput gives what the instance has written to its console, always
// the latest.
func (s *Service) GetConsoleOutput(r state.Reader, c authz.Caller, in *api.GetConsoleOutputInput) (*api.GetConsoleOutputOutput, error) {
	i, err := instance(r, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	out := &api.GetConsoleOutputOutput{InstanceId: ptr(i.ID), Timestamp: ptr(i.LaunchTime)}
	if s.cfg.Console == nil {
		return out, nil
	}
	text, at, ok := s.cfg.Console(i.ID)
	if !ok {
		return out, nil
	}
	if len(text) > maxConsole {
		text = text[len(text)-maxConsole:]
	}
	out.Timestamp = ptr(at.UTC())
	out.Output = ptr(base64.StdEncoding.EncodeToString(text))
	return out, nil
}

// GetPasswordData is empty: passwords are for Windows.
func (s *Service) GetPasswordData(r state.Reader, c authz.Caller, in *api.GetPasswordDataInput) (*api.GetPasswordDataOutput, error) {
	i, err := instance(r, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	return &api.GetPasswordDataOutput{InstanceId: ptr(i.ID), Timestamp: ptr(i.LaunchTime), PasswordData: ptr("")}, nil
}
