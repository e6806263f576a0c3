package route53

import (
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// CreateQueryLoggingConfig keeps where the queries to a public zone are to be
// logged. The log group itself is not looked for: there are no CloudWatch Logs.
func (s *Service) CreateQueryLoggingConfig(tx *state.Tx, c authz.Caller, in *api.CreateQueryLoggingConfigInput) (*api.CreateQueryLoggingConfigOutput, error) {
	z, err := zoneOf(tx, c, in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	arn := *in.CloudWatchLogsLogGroupArn
	parts := strings.SplitN(arn, ":", 7)
	switch {
	case z.Private:
		return nil, invalidInput("Query logging can only be configured for public hosted zones.")
	case len(parts) != 7 || parts[0] != "arn" || parts[2] != "logs" || parts[5] != "log-group" || parts[6] == "" || len(arn) > 1024:
		return nil, invalidInput("The ARN for the CloudWatch Logs log group is invalid: %s", awserr.Clip(arn))
	case parts[3] != "us-east-1":
		return nil, invalidInput("The log group %s is not in us-east-1, where those of query logging must be.", awserr.Clip(arn))
	case parts[4] != c.Account:
		return nil, refuse(api.ErrNoSuchCloudWatchLogsLogGroup, api.ErrNoSuchCloudWatchLogsLogGroupStatus, "There is no CloudWatch Logs log group with the specified ARN.")
	}
	for range state.QueryLoggingConfigs.By(tx, state.ByZone, z.ID) {
		return nil, refuse(api.ErrQueryLoggingConfigAlreadyExists, api.ErrQueryLoggingConfigAlreadyExistsStatus,
			"You can create only one query logging configuration for a hosted zone, and a query logging configuration already exists for this hosted zone.")
	}
	q := &state.QueryLoggingConfig{Meta: meta(tx, c, newUUID(tx)), ZoneID: z.ID, LogGroup: arn}
	state.QueryLoggingConfigs.Put(tx, q)
	return &api.CreateQueryLoggingConfigOutput{QueryLoggingConfig: loggingOut(q), Location: location("queryloggingconfig", q.ID)}, nil
}

func loggingOut(q *state.QueryLoggingConfig) *api.QueryLoggingConfig {
	return &api.QueryLoggingConfig{Id: &q.ID, HostedZoneId: &q.ZoneID, CloudWatchLogsLogGroupArn: &q.LogGroup}
}

func loggingOf(r state.Reader, c authz.Caller, id *string) (*state.QueryLoggingConfig, error) {
	if q, ok := state.QueryLoggingConfigs.Get(r, global(c).Key(*id)); ok {
		return q, nil
	}
	return nil, refuse(api.ErrNoSuchQueryLoggingConfig, api.ErrNoSuchQueryLoggingConfigStatus, "There is no DNS query logging configuration with the specified ID.")
}

// DeleteQueryLoggingConfig forgets a configuration.
func (s *Service) DeleteQueryLoggingConfig(tx *state.Tx, c authz.Caller, in *api.DeleteQueryLoggingConfigInput) (*api.DeleteQueryLoggingConfigOutput, error) {
	q, err := loggingOf(tx, c, in.Id)
	if err != nil {
		return nil, err
	}
	state.QueryLoggingConfigs.Delete(tx, q.Key)
	return &api.DeleteQueryLoggingConfigOutput{}, nil
}

// GetQueryLoggingConfig shows a configuration.
func (s *Service) GetQueryLoggingConfig(r state.Reader, c authz.Caller, in *api.GetQueryLoggingConfigInput) (*api.GetQueryLoggingConfigOutput, error) {
	q, err := loggingOf(r, c, in.Id)
	if err != nil {
		return nil, err
	}
	return &api.GetQueryLoggingConfigOutput{QueryLoggingConfig: loggingOut(q)}, nil
}

// ListQueryLoggingConfigs lists those of a zone, or of all zones.
func (s *Service) ListQueryLoggingConfigs(r state.Reader, c authz.Caller, in *api.ListQueryLoggingConfigsInput) (*api.ListQueryLoggingConfigsOutput, error) {
	zone := ""
	if in.HostedZoneId != nil {
		z, err := zoneOf(r, c, in.HostedZoneId)
		if err != nil {
			return nil, err
		}
		zone = z.ID
	}
	var all []*state.QueryLoggingConfig
	for q := range state.QueryLoggingConfigs.In(r, global(c)) {
		if zone == "" || q.ZoneID == zone {
			all = append(all, q)
		}
	}
	list, next, err := pageOf(all, in.NextToken, in.MaxResults, zonePage, func(q *state.QueryLoggingConfig) string { return q.ID })
	if err != nil {
		return nil, err
	}
	out := &api.ListQueryLoggingConfigsOutput{QueryLoggingConfigs: []api.QueryLoggingConfig{}, NextToken: next}
	for _, q := range list {
		out.QueryLoggingConfigs = append(out.QueryLoggingConfigs, *loggingOut(q))
	}
	return out, nil
}
