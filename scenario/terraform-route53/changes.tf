# What changes with n: the test applies it twice.
variable "n" {
  default = 1
}
resource "aws_route53_zone" "moving" {
  name          = "moving.internal"
  comment       = "v${var.n}"
  force_destroy = true
  tags          = { n = var.n }
  dynamic "vpc" {
    for_each = var.n == 1 ? [aws_vpc.one.id] : [aws_vpc.two.id]
    content {
      vpc_id = vpc.value
    }
  }
}
resource "aws_route53_zone" "changing" {
  name          = "changing.example.com"
  force_destroy = true
}
resource "aws_route53_query_log" "log" {
  zone_id                  = aws_route53_zone.changing.zone_id
  cloudwatch_log_group_arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/route53/changing"
}
resource "aws_route53_record" "values_changing" {
  zone_id = aws_route53_zone.moving.zone_id
  name    = "a.moving.internal"
  type    = "A"
  ttl     = 60 * var.n
  records = ["10.0.0.${var.n}", "10.0.0.9"]
}
resource "aws_route53_record" "weight_changing" {
  for_each       = { x = var.n, y = 10 }
  zone_id        = aws_route53_zone.changing.zone_id
  name           = "w"
  type           = "A"
  ttl            = 60
  records        = ["192.0.2.1"]
  set_identifier = each.key
  weighted_routing_policy { weight = each.value }
}
resource "aws_route53_record" "renamed" {
  zone_id = aws_route53_zone.changing.zone_id
  name    = "r${var.n}"
  type    = var.n == 1 ? "TXT" : "SPF"
  ttl     = 60
  records = ["v${var.n}"]
}
resource "aws_route53_record" "name_servers" {
  allow_overwrite = true
  zone_id         = aws_route53_zone.changing.zone_id
  name            = "changing.example.com"
  type            = "NS"
  ttl             = 30
  records         = aws_route53_zone.changing.name_servers
}
resource "aws_route53_record" "balancer" {
  zone_id = aws_route53_zone.changing.zone_id
  name    = "lb"
  type    = "A"
  alias {
    name                   = "my-lb-123.us-east-1.elb.amazonaws.com"
    zone_id                = "Z35SXDOTRQ7X7K"
    evaluate_target_health = true
  }
}
resource "aws_route53_health_check" "address" {
  ip_address         = "192.0.2.${var.n}"
  port               = 80
  type               = "HTTP"
  resource_path      = var.n == 1 ? "/a" : null
  failure_threshold  = 2 + var.n
  request_interval   = 10
  invert_healthcheck = var.n == 2
  regions            = ["us-east-1", "us-west-1", "eu-west-1"]
}
resource "aws_route53_health_check" "name" {
  fqdn              = "x.example.com"
  port              = 443
  type              = "TCP"
  failure_threshold = 3
  request_interval  = 30
  disabled          = var.n == 2
}
