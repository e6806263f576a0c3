package awspolicy

// LinkedRole gives the name of the role that a service makes for itself in an
// account, and the name of its policy where we have it (service documentation,
// "Using service-linked roles"). ok is false for a service that has none here.
func LinkedRole(service string) (role, policy string, ok bool) {
	l, ok := linked[service]
	return l.role, l.policy, ok
}

var linked = map[string]struct{ role, policy string }{
	"acm.amazonaws.com":                  {"AWSServiceRoleForCertificateManager", ""},
	"autoscaling.amazonaws.com":          {"AWSServiceRoleForAutoScaling", ""},
	"elasticloadbalancing.amazonaws.com": {"AWSServiceRoleForElasticLoadBalancing", "AWSElasticLoadBalancingServiceRolePolicy"},
	"route53resolver.amazonaws.com":      {"AWSServiceRoleForRoute53Resolver", ""},
	"servicequotas.amazonaws.com":        {"AWSServiceRoleForServiceQuotas", ""},
	"spot.amazonaws.com":                 {"AWSServiceRoleForEC2Spot", ""},
	"spotfleet.amazonaws.com":            {"AWSServiceRoleForEC2SpotFleet", ""},
	"ssm.amazonaws.com":                  {"AWSServiceRoleForAmazonSSM", ""},
	"transitgateway.amazonaws.com":       {"AWSServiceRoleForVPCTransitGateway", ""},
}
