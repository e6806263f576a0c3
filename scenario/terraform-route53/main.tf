terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

locals {
  regions = { near = "us-east-1", far = "eu-west-1" }
}

resource "aws_vpc" "one" {
  cidr_block           = "10.0.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_vpc" "two" {
  cidr_block           = "10.1.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_route53_delegation_set" "shared" {
  reference_name = "shared"
}

resource "aws_route53_zone" "public" {
  name              = "Shop.Example.com"
  comment           = "public"
  delegation_set_id = aws_route53_delegation_set.shared.id
  tags              = { team = "dns" }
}

resource "aws_route53_zone" "private" {
  name          = "corp.internal"
  force_destroy = true
  vpc {
    vpc_id = aws_vpc.one.id
  }
  lifecycle {
    ignore_changes = [vpc]
  }
}

resource "aws_route53_vpc_association_authorization" "two" {
  zone_id = aws_route53_zone.private.id
  vpc_id  = aws_vpc.two.id
}

resource "aws_route53_zone_association" "two" {
  zone_id = aws_route53_zone.private.id
  vpc_id  = aws_vpc.two.id
}

resource "aws_route53_health_check" "web" {
  fqdn              = "web.shop.example.com"
  port              = 443
  type              = "HTTPS"
  resource_path     = "/health"
  failure_threshold = 5
  request_interval  = 30
  tags              = { Name = "web" }
}

resource "aws_route53_health_check" "all" {
  type                   = "CALCULATED"
  child_health_threshold = 1
  child_healthchecks     = [aws_route53_health_check.web.id]
}

resource "aws_route53_health_check" "text" {
  ip_address         = "192.0.2.10"
  port               = 8080
  type               = "HTTP_STR_MATCH"
  resource_path      = "/health"
  search_string      = "well"
  failure_threshold  = 1
  request_interval   = 10
  regions            = ["us-east-1", "eu-west-1", "sa-east-1"]
  invert_healthcheck = true
}

resource "aws_route53_health_check" "port" {
  ip_address       = "192.0.2.10"
  port             = 22
  type             = "TCP"
  request_interval = 30
  disabled         = true
}

resource "aws_route53_health_check" "alarm" {
  type                            = "CLOUDWATCH_METRIC"
  cloudwatch_alarm_name           = "high"
  cloudwatch_alarm_region         = "us-east-1"
  insufficient_data_health_status = "Healthy"
}

resource "aws_route53_record" "apex" {
  zone_id = aws_route53_zone.public.zone_id
  name    = ""
  type    = "A"
  ttl     = 300
  records = ["192.0.2.10", "192.0.2.11"]
}

resource "aws_route53_record" "alias" {
  zone_id = aws_route53_zone.public.zone_id
  name    = "www"
  type    = "A"
  alias {
    name                   = aws_route53_record.apex.fqdn
    zone_id                = aws_route53_zone.public.zone_id
    evaluate_target_health = true
  }
}

resource "aws_route53_record" "wildcard" {
  zone_id = aws_route53_zone.public.zone_id
  name    = "*"
  type    = "CNAME"
  ttl     = 60
  records = ["shop.example.com"]
}

resource "aws_route53_record" "values" {
  for_each = {
    TXT   = ["v=spf1 -all", "second value"]
    MX    = ["10 mail.example.com", "20 mail2.example.com"]
    CAA   = ["0 issue \"ca.example.net\""]
    SRV   = ["1 10 5269 xmpp.example.com."]
    AAAA  = ["2001:db8::1"]
    NAPTR = ["100 10 \"u\" \"sip+E2U\" \"!^.*$!sip:info@example.com!\" ."]
    SPF   = ["v=spf1 -all"]
    HTTPS = ["1 . alpn=\"h2,h3\""]
  }
  zone_id = aws_route53_zone.public.zone_id
  name    = "values"
  type    = each.key
  ttl     = 120
  records = each.value
}

resource "aws_route53_record" "child" {
  zone_id = aws_route53_zone.public.zone_id
  name    = "dev"
  type    = "NS"
  ttl     = 30
  records = ["ns1.example.net.", "ns2.example.net."]
}

resource "aws_route53_record" "weighted" {
  for_each       = { blue = 90, green = 10 }
  zone_id        = aws_route53_zone.public.zone_id
  name           = "weighted"
  type           = "A"
  ttl            = 5
  records        = ["192.0.2.${each.value}"]
  set_identifier = each.key
  weighted_routing_policy {
    weight = each.value
  }
}

resource "aws_route53_record" "latency" {
  for_each       = local.regions
  zone_id        = aws_route53_zone.private.zone_id
  name           = "latency"
  type           = "A"
  ttl            = 5
  records        = ["192.0.2.1"]
  set_identifier = each.key
  latency_routing_policy {
    region = each.value
  }
}

resource "aws_route53_record" "failover" {
  for_each        = { PRIMARY = aws_route53_health_check.web.id, SECONDARY = null }
  zone_id         = aws_route53_zone.public.zone_id
  name            = "failover"
  type            = "A"
  ttl             = 5
  records         = ["192.0.2.20"]
  set_identifier  = lower(each.key)
  health_check_id = each.value
  failover_routing_policy {
    type = each.key
  }
}

resource "aws_route53_record" "geo" {
  for_each       = { default = "*", france = "FR" }
  zone_id        = aws_route53_zone.public.zone_id
  name           = "geo"
  type           = "A"
  ttl            = 5
  records        = ["192.0.2.30"]
  set_identifier = each.key
  geolocation_routing_policy {
    country = each.value
  }
}

resource "aws_route53_record" "proximity" {
  zone_id        = aws_route53_zone.public.zone_id
  name           = "proximity"
  type           = "A"
  ttl            = 5
  records        = ["192.0.2.40"]
  set_identifier = "paris"
  geoproximity_routing_policy {
    bias = 10
    coordinates {
      latitude  = "48.85"
      longitude = "2.35"
    }
  }
}

resource "aws_route53_record" "multivalue" {
  for_each                         = toset(["a", "b"])
  zone_id                          = aws_route53_zone.public.zone_id
  name                             = "multi"
  type                             = "A"
  ttl                              = 5
  records                          = ["192.0.2.50"]
  set_identifier                   = each.key
  multivalue_answer_routing_policy = true
}

resource "aws_route53_cidr_collection" "offices" {
  name = "offices"
}

resource "aws_route53_cidr_location" "berlin" {
  cidr_collection_id = aws_route53_cidr_collection.offices.id
  name               = "berlin"
  cidr_blocks        = ["198.51.100.0/24", "203.0.113.0/24"]
}

resource "aws_route53_record" "cidr" {
  zone_id        = aws_route53_zone.public.zone_id
  name           = "cidr"
  type           = "A"
  ttl            = 5
  records        = ["192.0.2.60"]
  set_identifier = "berlin"
  cidr_routing_policy {
    collection_id = aws_route53_cidr_collection.offices.id
    location_name = aws_route53_cidr_location.berlin.name
  }
}

data "aws_route53_zone" "private" {
  name         = "corp.internal."
  private_zone = true
  depends_on   = [aws_route53_zone.private]
}

data "aws_route53_zone" "public" {
  name       = aws_route53_zone.public.name
  depends_on = [aws_route53_zone.public]
}

output "private" {
  value = data.aws_route53_zone.private.zone_id == aws_route53_zone.private.zone_id
}

output "same_servers" {
  value = sort(data.aws_route53_zone.public.name_servers) == sort(aws_route53_delegation_set.shared.name_servers)
}
