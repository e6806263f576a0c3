package ec2

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

func TestInstanceLife(t *testing.T) {
	l := newLab(t)
	id := *l.run().InstanceId
	list := []string{id, id} // twice the same is once
	stop := func() []api.InstanceStateChange {
		t.Helper()
		return call[api.StopInstancesOutput](l.world, "StopInstances", &api.StopInstancesInput{InstanceIds: list, Force: ptr(true)}).StoppingInstances
	}
	start := func() []api.InstanceStateChange {
		t.Helper()
		return call[api.StartInstancesOutput](l.world, "StartInstances", &api.StartInstancesInput{InstanceIds: list}).StartingInstances
	}
	terminate := func() []api.InstanceStateChange {
		t.Helper()
		return call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: list}).TerminatingInstances
	}
	expect := func(changes []api.InstanceStateChange, from, to string) {
		t.Helper()
		if len(changes) != 1 || *changes[0].PreviousState.Name != from || *changes[0].CurrentState.Name != to {
			t.Errorf("%+v, want %s to %s", changes, from, to)
		}
	}
	l.fails("StopInstances", &api.StopInstancesInput{InstanceIds: list}, "IncorrectInstanceState", "Instance '"+id+"' cannot be stopped as it has never reached the 'running' state.")
	expect(start(), "pending", "pending")
	l.started(id)
	address := l.describe(id).PrivateIpAddress
	expect(start(), "running", "running")
	expect(stop(), "running", "stopping")
	expect(stop(), "stopping", "stopping")
	l.fails("StartInstances", &api.StartInstancesInput{InstanceIds: list}, "IncorrectInstanceState", "The instance '"+id+"' is not in a state from which it can be started.")
	l.fails("RebootInstances", &api.RebootInstancesInput{InstanceIds: list}, "IncorrectInstanceState", id)
	l.exited(id)
	expect(stop(), "stopped", "stopped")
	i := l.describe(id)
	if *i.StateReason.Code != "Client.UserInitiatedShutdown" || *i.StateTransitionReason != "User initiated (2026-11-20 11:40:00 GMT)" || *i.PrivateIpAddress != *address {
		t.Errorf("a stopped instance: %v %s", *i.StateReason.Code, *i.StateTransitionReason)
	}
	*l.now = testTime.Add(time.Hour)
	expect(start(), "stopped", "pending")
	l.started(id)
	if i := l.describe(id); *i.StateTransitionReason != "" || !i.LaunchTime.Equal(testTime.Add(time.Hour)) || !i.UsageOperationUpdateTime.Equal(testTime) || *i.PrivateIpAddress != *address {
		t.Errorf("started again: %+v", i)
	}
	boots := l.row(id).Boots
	call[api.RebootInstancesOutput](l.world, "RebootInstances", &api.RebootInstancesInput{InstanceIds: list})
	if now := l.row(id); now.Boots != boots+1 || now.State != state.Running {
		t.Errorf("after the reboot: %s, %d boots", now.State, now.Boots)
	}
	expect(terminate(), "running", "shutting-down")
	expect(terminate(), "shutting-down", "shutting-down")
	l.exited(id)
	expect(terminate(), "terminated", "terminated")
	l.fails("StartInstances", &api.StartInstancesInput{InstanceIds: list}, "IncorrectInstanceState", id)
	l.fails("StopInstances", &api.StopInstancesInput{InstanceIds: list}, "IncorrectInstanceState", id)
	call[api.RebootInstancesOutput](l.world, "RebootInstances", &api.RebootInstancesInput{InstanceIds: list})

	*l.now = testTime.Add(3 * time.Hour)
	l.write(func(tx *state.Tx) { lifecycle.Forget(tx) })
	l.fails("DescribeInstances", &api.DescribeInstancesInput{InstanceIds: list}, "InvalidInstanceID.NotFound", id)
}

func TestTerminateAStoppedInstance(t *testing.T) {
	l := newLab(t)
	id := l.stoppedInstance()
	out := call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{id}})
	if *out.TerminatingInstances[0].CurrentState.Name != "terminated" || state.NetworkInterfaces.Len(l.snapshot()) != 0 {
		t.Errorf("%s", *out.TerminatingInstances[0].CurrentState.Name)
	}
}

func TestProtectedInstances(t *testing.T) {
	l := newLab(t)
	free := *l.run().InstanceId
	id := *l.run(func(in *api.RunInstancesInput) { in.DisableApiTermination, in.DisableApiStop = ptr(true), ptr(true) }).InstanceId
	l.started(id)
	l.fails("TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{free, id}}, "OperationNotPermitted",
		"The instance '"+id+"' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.")
	l.fails("StopInstances", &api.StopInstancesInput{InstanceIds: []string{id}}, "OperationNotPermitted",
		"The instance '"+id+"' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.")
	l.fails("StopInstances", &api.StopInstancesInput{InstanceIds: []string{free}, Hibernate: ptr(true)}, "UnsupportedHibernationConfiguration", free)
	l.fails("TerminateInstances", &api.TerminateInstancesInput{}, "MissingParameter", "InstanceId")
	l.fails("TerminateInstances", &api.TerminateInstancesInput{InstanceIds: make([]string, 1001)}, "InvalidParameterValue", "1000")
	l.fails("TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{free, "i-12345678"}}, "InvalidInstanceID.NotFound", "The instance ID 'i-12345678' does not exist")
	off := func(change func(*api.ModifyInstanceAttributeInput)) {
		in := &api.ModifyInstanceAttributeInput{InstanceId: &id}
		change(in)
		call[api.ModifyInstanceAttributeOutput](l.world, "ModifyInstanceAttribute", in)
	}
	off(func(in *api.ModifyInstanceAttributeInput) {
		in.DisableApiTermination = &api.AttributeBooleanValue{Value: ptr(false)}
	})
	off(func(in *api.ModifyInstanceAttributeInput) {
		in.Attribute, in.Value = ptr("disableApiStop"), ptr("false")
	})
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{free, id}})
}

func TestMonitoring(t *testing.T) {
	l := newLab(t)
	id := *l.run().InstanceId
	on := call[api.MonitorInstancesOutput](l.world, "MonitorInstances", &api.MonitorInstancesInput{InstanceIds: []string{id}})
	if *on.InstanceMonitorings[0].Monitoring.State != "enabled" || *l.describe(id).Monitoring.State != "enabled" {
		t.Error("monitoring is not on")
	}
	call[api.UnmonitorInstancesOutput](l.world, "UnmonitorInstances", &api.UnmonitorInstancesInput{InstanceIds: []string{id}})
	if *l.describe(id).Monitoring.State != "disabled" {
		t.Error("monitoring is not off")
	}
	call[api.ReportInstanceStatusOutput](l.world, "ReportInstanceStatus", &api.ReportInstanceStatusInput{Instances: []string{id}})
	l.fails("ReportInstanceStatus", &api.ReportInstanceStatusInput{Instances: []string{"i-12345678"}}, "InvalidInstanceID.NotFound", "i-12345678")
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{id}})
	l.exited(id)
	l.fails("MonitorInstances", &api.MonitorInstancesInput{InstanceIds: []string{id}}, "IncorrectState", id)
}

func TestConsole(t *testing.T) {
	text, at := strings.Repeat("x", maxConsole)+"the end\n", testTime.Add(time.Minute)
	l := newLab(t, Config{Console: func(id string) ([]byte, time.Time, bool) { return []byte(text), at, text != "" }})
	id := *l.run().InstanceId
	out := call[api.GetConsoleOutputOutput](l.world, "GetConsoleOutput", &api.GetConsoleOutputInput{InstanceId: &id})
	b, err := base64.StdEncoding.DecodeString(*out.Output)
	if err != nil || len(b) != maxConsole || !strings.HasSuffix(string(b), "the end\n") || !out.Timestamp.Equal(at) {
		t.Errorf("%d bytes at %v, %v", len(b), out.Timestamp, err)
	}
	text = ""
	if out := call[api.GetConsoleOutputOutput](l.world, "GetConsoleOutput", &api.GetConsoleOutputInput{InstanceId: &id}); out.Output != nil || out.Timestamp == nil {
		t.Errorf("before the first boot: %+v", out)
	}
	if out := call[api.GetPasswordDataOutput](l.world, "GetPasswordData", &api.GetPasswordDataInput{InstanceId: &id}); *out.PasswordData != "" {
		t.Errorf("%+v", out)
	}
	l.fails("GetConsoleOutput", &api.GetConsoleOutputInput{InstanceId: ptr("i-12345678")}, "InvalidInstanceID.NotFound", "i-12345678")
	l.fails("GetPasswordData", &api.GetPasswordDataInput{InstanceId: ptr("x")}, "InvalidInstanceID.Malformed", "x")
	nothing := newLab(t)
	id = *nothing.run().InstanceId
	if out := call[api.GetConsoleOutputOutput](nothing.world, "GetConsoleOutput", &api.GetConsoleOutputInput{InstanceId: &id}); out.Output != nil {
		t.Errorf("where nothing runs: %+v", out)
	}
}
