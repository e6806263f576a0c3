package iam

import (
	"slices"
	"strings"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// reportLife is how long a credential report is told after it was asked for (IAM
// User Guide, "Generate credential reports").
const reportLife = 4 * time.Hour

// GenerateCredentialReport asks for a report. It is there at once.
func (s *Service) GenerateCredentialReport(tx *state.Tx, c authz.Caller, _ *api.GenerateCredentialReportInput) (*api.GenerateCredentialReportOutput, error) {
	a := settings(tx, c)
	if tx.Now().Sub(a.Reported) < reportLife {
		return &api.GenerateCredentialReportOutput{State: ptr(api.ReportStateTypeCOMPLETE)}, nil
	}
	a.Reported = tx.Now()
	state.AccountsSettings.Put(tx, &a)
	return &api.GenerateCredentialReportOutput{State: ptr(api.ReportStateTypeSTARTED), Description: ptr("No report exists. Starting a new report generation task")}, nil
}

// reportColumns are AWS's, in its order.
const reportColumns = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active," +
	"access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service," +
	"access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service," +
	"cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated"

// GetCredentialReport gives the report as CSV: what there is now.
func (s *Service) GetCredentialReport(tx *state.Tx, c authz.Caller, _ *api.GetCredentialReportInput) (*api.GetCredentialReportOutput, error) {
	at := settings(tx, c).Reported
	switch {
	case at.IsZero():
		return nil, awserr.New(api.ErrCredentialReportNotPresent, "No report is available; ask for one with GenerateCredentialReport").WithStatus(api.ErrCredentialReportNotPresentStatus)
	case tx.Now().Sub(at) >= reportLife:
		return nil, awserr.New(api.ErrCredentialReportExpired, "The report has expired; ask for another with GenerateCredentialReport").WithStatus(api.ErrCredentialReportExpiredStatus)
	}
	lines := []string{reportColumns, reportLine(tx, c.Account, "<root_account>", "arn:aws:iam::"+c.Account+":root", accountDate, "", nil)}
	for u := range state.Users.In(tx, state.Global(c.Account)) {
		lines = append(lines, reportLine(tx, c.Account, u.Name, u.ARN(), u.Created, u.ID, u.LoginProfile))
	}
	return &api.GetCredentialReportOutput{Content: []byte(strings.Join(lines, "\n")), ReportFormat: ptr(api.ReportFormatTypeTextCsv), GeneratedTime: seconds(at)}, nil
}

// reportLine is a user; no name or ARN holds a comma or a quote.
func reportLine(r state.Reader, account, name, arn string, made time.Time, id string, login *state.LoginProfile) string {
	date := func(t time.Time) string {
		if t.IsZero() {
			return "N/A"
		}
		return t.UTC().Format("2006-01-02T15:04:05+00:00")
	}
	flag := func(b bool) string {
		if b {
			return "true"
		}
		return "false"
	}
	fields := []string{strings.ReplaceAll(name, ",", " "), strings.ReplaceAll(arn, ",", " "), date(made), "false", "N/A", "N/A", "N/A", "false"}
	if login != nil {
		fields[3], fields[4], fields[5] = "true", "no_information", date(login.Created)
	}
	keys := keysOf(r, account, id)
	for n := range maxAccessKeys {
		if n >= len(keys) {
			fields = append(fields, "false", "N/A", "N/A", "N/A", "N/A")
			continue
		}
		k := keys[n]
		region, service := k.LastRegion, k.LastService
		if k.LastUsed.IsZero() {
			region, service = "N/A", "N/A"
		}
		fields = append(fields, flag(!k.Inactive), date(k.Created), date(k.LastUsed), region, service)
	}
	return strings.Join(append(fields, "false", "N/A", "false", "N/A"), ",")
}

// ListPoliciesGrantingServiceAccess lists, for services, the policies of a user,
// group or role that allow any action of them.
func (s *Service) ListPoliciesGrantingServiceAccess(r state.Reader, c authz.Caller, in *api.ListPoliciesGrantingServiceAccessInput) (*api.ListPoliciesGrantingServiceAccessOutput, error) {
	if in.Marker != nil {
		return nil, invalid("Invalid Marker: %s", awserr.Clip(*in.Marker))
	}
	kind, name, groups, err := s.entity(r, c, *in.Arn)
	if err != nil {
		return nil, err
	}
	out := &api.ListPoliciesGrantingServiceAccessOutput{PoliciesGrantingServiceAccess: []api.ListPoliciesGrantingServiceAccessEntry{}, IsTruncated: ptr(false)}
	for _, service := range slices.Compact(slices.Sorted(slices.Values(in.ServiceNamespaces))) {
		entry := api.ListPoliciesGrantingServiceAccessEntry{ServiceNamespace: ptr(service), Policies: []api.PolicyGrantingServiceAccess{}}
		for _, p := range append([]granting{{kind, name}}, groups...) {
			entry.Policies = append(entry.Policies, s.grants(r, c, p, service)...)
		}
		out.PoliciesGrantingServiceAccess = append(out.PoliciesGrantingServiceAccess, entry)
	}
	return out, nil
}

// granting is a user, group or role by name.
type granting struct{ kind, name string }

// entity finds what an ARN names, and of a user its groups.
func (s *Service) entity(r state.Reader, c authz.Caller, arn string) (kind, name string, groups []granting, err error) {
	if _, _, err := s.source(r, c, arn); err != nil {
		return "", "", nil, err
	}
	kind, rest, _ := strings.Cut(strings.SplitN(arn, ":", 6)[5], "/")
	name = rest[strings.LastIndexByte(rest, '/')+1:]
	if kind == "user" {
		u, err := user(r, c, name)
		if err != nil {
			return "", "", nil, err
		}
		for _, g := range u.Groups {
			groups = append(groups, granting{"group", g})
		}
	}
	return kind, name, groups, nil
}

// grants are the policies of one holder that allow an action of a service.
func (s *Service) grants(r state.Reader, c authz.Caller, g granting, service string) []api.PolicyGrantingServiceAccess {
	find := map[string]func(state.Reader, authz.Caller, string) (*holder, error){"user": userHolder, "group": groupHolder, "role": roleHolder}[g.kind]
	if find == nil {
		return nil
	}
	h, err := find(r, c, g.name)
	if err != nil {
		return nil
	}
	var list []api.PolicyGrantingServiceAccess
	for _, p := range h.has.Inline {
		if s.cfg.Library.Read(p.Document, authz.Identity).Grants(service) {
			list = append(list, api.PolicyGrantingServiceAccess{PolicyName: ptr(p.Name), PolicyType: ptr(api.PolicyTypeINLINE), EntityType: ptr(strings.ToUpper(g.kind)), EntityName: ptr(h.has.Name)})
		}
	}
	for _, arn := range h.has.Attached {
		if m, ok := s.cfg.Library.Managed(r, arn); ok && m.Doc.Grants(service) {
			list = append(list, api.PolicyGrantingServiceAccess{PolicyName: ptr(m.Name), PolicyArn: ptr(arn), PolicyType: ptr(api.PolicyTypeMANAGED)})
		}
	}
	return list
}
