// Package route53 is what may be asked of Amazon Route 53: one method per action,
// named as AWS names it.
//
// Invariant: an action depends on the state, its caller, its input and what Config
// gives it alone, and a refused one has changed nothing. The service is global:
// its rows have an account and no Region. What is asked for by the id of another
// account is answered as if it did not exist, but for hosted zones that a VPC has
// been authorized for.
package route53

import (
	"fmt"
	"io"
	"strings"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// Config is what the service cannot find in the state.
type Config struct {
	// Now is the clock: actions that only look are not told the time.
	Now func() time.Time
	// Delay is how long a change is PENDING. Names obey it at once all the same: AWS
	// says no more than that they obey it by the time it is INSYNC.
	Delay time.Duration
	// Draw gives what TestDNSAnswer leaves to chance.
	Draw func() uint64
	// Seen tells when the checker in a Region last looked at a health check; zero when
	// it is not known. nil: nobody looks.
	Seen func(check state.Key, region string) time.Time
	// ManyZones lets an account have any number of hosted zones.
	ManyZones bool
}

// Service serves the actions; it has no state of its own.
type Service struct{ cfg Config }

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Actions lists every action that is served, once.
func (s *Service) Actions() []service.Action {
	return []service.Action{
		service.Write("AssociateVPCWithHostedZone", s.AssociateVPCWithHostedZone),
		service.Write("ChangeCidrCollection", s.ChangeCidrCollection),
		service.Write("ChangeResourceRecordSets", s.ChangeResourceRecordSets),
		service.Write("ChangeTagsForResource", s.ChangeTagsForResource),
		service.Write("CreateCidrCollection", s.CreateCidrCollection),
		service.Write("CreateHealthCheck", s.CreateHealthCheck),
		service.Write("CreateHostedZone", s.CreateHostedZone),
		service.Write("CreateQueryLoggingConfig", s.CreateQueryLoggingConfig),
		service.Write("CreateReusableDelegationSet", s.CreateReusableDelegationSet),
		service.Write("CreateVPCAssociationAuthorization", s.CreateVPCAssociationAuthorization),
		service.Write("DeleteCidrCollection", s.DeleteCidrCollection),
		service.Write("DeleteHealthCheck", s.DeleteHealthCheck),
		service.Write("DeleteHostedZone", s.DeleteHostedZone),
		service.Write("DeleteQueryLoggingConfig", s.DeleteQueryLoggingConfig),
		service.Write("DeleteReusableDelegationSet", s.DeleteReusableDelegationSet),
		service.Write("DeleteVPCAssociationAuthorization", s.DeleteVPCAssociationAuthorization),
		service.Write("DisassociateVPCFromHostedZone", s.DisassociateVPCFromHostedZone),
		service.Read("GetAccountLimit", s.GetAccountLimit),
		service.Read("GetChange", s.GetChange),
		service.Read("GetCheckerIpRanges", s.GetCheckerIpRanges),
		service.Read("GetDNSSEC", s.GetDNSSEC),
		service.Read("GetGeoLocation", s.GetGeoLocation),
		service.Read("GetHealthCheck", s.GetHealthCheck),
		service.Read("GetHealthCheckCount", s.GetHealthCheckCount),
		service.Read("GetHealthCheckLastFailureReason", s.GetHealthCheckLastFailureReason),
		service.Read("GetHealthCheckStatus", s.GetHealthCheckStatus),
		service.Read("GetHostedZone", s.GetHostedZone),
		service.Read("GetHostedZoneCount", s.GetHostedZoneCount),
		service.Read("GetHostedZoneLimit", s.GetHostedZoneLimit),
		service.Read("GetQueryLoggingConfig", s.GetQueryLoggingConfig),
		service.Read("GetReusableDelegationSet", s.GetReusableDelegationSet),
		service.Read("GetReusableDelegationSetLimit", s.GetReusableDelegationSetLimit),
		service.Read("ListCidrBlocks", s.ListCidrBlocks),
		service.Read("ListCidrCollections", s.ListCidrCollections),
		service.Read("ListCidrLocations", s.ListCidrLocations),
		service.Read("ListGeoLocations", s.ListGeoLocations),
		service.Read("ListHealthChecks", s.ListHealthChecks),
		service.Read("ListHostedZones", s.ListHostedZones),
		service.Read("ListHostedZonesByName", s.ListHostedZonesByName),
		service.Read("ListHostedZonesByVPC", s.ListHostedZonesByVPC),
		service.Read("ListQueryLoggingConfigs", s.ListQueryLoggingConfigs),
		service.Read("ListResourceRecordSets", s.ListResourceRecordSets),
		service.Read("ListReusableDelegationSets", s.ListReusableDelegationSets),
		service.Read("ListTagsForResource", s.ListTagsForResource),
		service.Read("ListTagsForResources", s.ListTagsForResources),
		service.Read("ListVPCAssociationAuthorizations", s.ListVPCAssociationAuthorizations),
		service.Read("TestDNSAnswer", s.TestDNSAnswer),
		service.Write("UpdateHealthCheck", s.UpdateHealthCheck),
		service.Write("UpdateHostedZoneComment", s.UpdateHostedZoneComment),
	}
}

// Prefixes of ids in answers; requests may leave them out.
const (
	zonePrefix   = "/hostedzone/"
	changePrefix = "/change/"
	setPrefix    = "/delegationset/"
)

// endpoint begins the URL in the Location header of what was created.
const endpoint = "https://route53.amazonaws.com/" // of the global service

// location is the URL of a resource.
func location(parts ...string) *string {
	return new(endpoint + api.API.Version + "/" + strings.Join(parts, "/"))
}

// bare is an id without its prefix, from a member of a body or a query string.
func bare(id *string, prefix string) string {
	if id == nil {
		return ""
	}
	if rest, ok := strings.CutPrefix("/"+strings.TrimPrefix(*id, "/"), prefix); ok {
		return rest
	}
	return *id
}

// global is the scope of a caller's rows.
func global(c authz.Caller) state.Scope { return state.Scope{Account: c.Account} }

// alphabet of ids, which have capital letters and digits.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// newID makes an id of a letter and 20 characters: Z0123456ABCDEFGHIJKLM.
func newID(tx *state.Tx, letter string) string {
	b := random(tx, 20)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return letter + string(b)
}

// newUUID makes an id of the other kind: health checks, collections, logging.
func newUUID(tx *state.Tx) string {
	b := random(tx, 16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func random(tx *state.Tx, n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(tx.Rand(), b); err != nil {
		panic(fmt.Sprintf("route53: reading randomness: %v", err)) // crypto/rand never fails
	}
	return b
}

// meta starts a row of the caller.
func meta(tx *state.Tx, c authz.Caller, id string) state.Meta {
	return state.Meta{Key: global(c).Key(id), Created: tx.Now()}
}

// refuse makes an error with the status that Route 53's model gives its code.
func refuse(code string, status int, format string, args ...any) *awserr.Error {
	return awserr.New(code, format, args...).WithStatus(status)
}

func invalidInput(format string, args ...any) *awserr.Error {
	return refuse(api.ErrInvalidInput, api.ErrInvalidInputStatus, format, args...)
}

// text is a string that may be absent.
func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// optional is nil for the empty string.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// limitOf reads MaxItems: def when it is not given, most when it is larger.
func limitOf(max *int32, def, most int) (int, error) {
	if max == nil {
		return def, nil
	}
	if *max < 1 {
		return 0, invalidInput("1 validation error detected: Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1", *max)
	}
	return min(int(*max), most), nil
}
