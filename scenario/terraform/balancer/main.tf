# Network load balancers: an internet-facing one with Elastic IPs, groups and an
# instance behind it, and an internal one with a chosen address, for datagrams.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}

variable "changed" {
  default = false
}

data "aws_ami" "al2023" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-2023*-x86_64"]
  }
}

resource "aws_vpc" "main" {
  cidr_block = "10.7.0.0/16"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route" "out" {
  route_table_id         = aws_vpc.main.main_route_table_id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_subnet" "zone" {
  for_each          = { a = "10.7.1.0/24", b = "10.7.2.0/24", c = "10.7.3.0/24" }
  vpc_id            = aws_vpc.main.id
  cidr_block        = each.value
  availability_zone = "us-east-1${each.key}"
}

# Where the address is chosen: what AWS draws in the other subnets never meets it.
resource "aws_subnet" "chosen" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.7.4.0/24"
  availability_zone = "us-east-1a"
}

resource "aws_eip" "front" {
  for_each = toset(["a", "b"])
}

resource "aws_security_group" "front" {
  name   = "front"
  vpc_id = aws_vpc.main.id
  ingress {
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "front" {
  name                             = "front"
  load_balancer_type               = "network"
  security_groups                  = [aws_security_group.front.id]
  enable_cross_zone_load_balancing = var.changed
  dns_record_client_routing_policy = "availability_zone_affinity"
  dynamic "subnet_mapping" {
    for_each = aws_eip.front
    content {
      subnet_id     = aws_subnet.zone[subnet_mapping.key].id
      allocation_id = subnet_mapping.value.id
    }
  }
  tags       = { Name = "front" }
  depends_on = [aws_internet_gateway.main]
}

resource "aws_lb" "inner" {
  name               = "inner"
  load_balancer_type = "network"
  internal           = true
  subnet_mapping {
    subnet_id            = aws_subnet.chosen.id
    private_ipv4_address = "10.7.4.77"
  }
}

resource "aws_lb" "plain" {
  name_prefix        = "plain-"
  load_balancer_type = "network"
  internal           = true
  subnets            = [for k in var.changed ? ["a", "b", "c"] : ["a", "b"] : aws_subnet.zone[k].id]
}

resource "aws_lb_target_group" "web" {
  name                   = "web"
  port                   = 80
  protocol               = "TCP"
  vpc_id                 = aws_vpc.main.id
  deregistration_delay   = 5
  connection_termination = true
  health_check {
    protocol            = "HTTP"
    path                = "/health"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = var.changed ? 3 : 2
  }
  stickiness {
    type    = "source_ip"
    enabled = true
  }
  tags = { Name = "web" }
}

resource "aws_lb_target_group" "datagrams" {
  name        = "datagrams"
  port        = 53
  protocol    = "UDP"
  target_type = "ip"
  vpc_id      = aws_vpc.main.id
  health_check {
    port = 8080
  }
}

resource "aws_lb_target_group" "second" {
  name               = "second"
  port               = 8080
  protocol           = "TCP"
  target_type        = "ip"
  vpc_id             = aws_vpc.main.id
  preserve_client_ip = true
  proxy_protocol_v2  = true
}

resource "aws_lb_listener" "web" {
  load_balancer_arn        = aws_lb.front.arn
  port                     = 80
  protocol                 = "TCP"
  tcp_idle_timeout_seconds = 60
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_lb_listener" "second" {
  load_balancer_arn = aws_lb.front.arn
  port              = var.changed ? 8081 : 8080
  protocol          = "TCP"
  default_action {
    type = "forward"
    forward {
      target_group {
        arn = aws_lb_target_group.second.arn
      }
    }
  }
}

resource "aws_lb_listener" "datagrams" {
  load_balancer_arn = aws_lb.inner.arn
  port              = 53
  protocol          = "UDP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.datagrams.arn
  }
}

resource "aws_instance" "web" {
  ami           = data.aws_ami.al2023.id
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.zone["a"].id
}

resource "aws_lb_target_group_attachment" "web" {
  target_group_arn = aws_lb_target_group.web.arn
  target_id        = aws_instance.web.id
  port             = 8080
}

resource "aws_lb_target_group_attachment" "datagrams" {
  target_group_arn  = aws_lb_target_group.datagrams.arn
  target_id         = "192.168.0.1"
  availability_zone = "all"
}

data "aws_lb" "front" {
  name       = aws_lb.front.name
  depends_on = [aws_lb_listener.web]
}

data "aws_lb_target_group" "web" {
  arn        = aws_lb_target_group.web.arn
  depends_on = [aws_lb_listener.web]
}

data "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.front.arn
  port              = 80
  depends_on        = [aws_lb_listener.web]
}

data "aws_lbs" "all" {
  depends_on = [aws_lb.front, aws_lb.inner, aws_lb.plain]
}

data "aws_lb_hosted_zone_id" "nlb" {
  load_balancer_type = "network"
}

data "aws_network_interfaces" "nodes" {
  filter {
    name   = "description"
    values = ["ELB ${aws_lb.front.arn_suffix}"]
  }
}

output "read" {
  value = {
    name     = data.aws_lb.front.dns_name == aws_lb.front.dns_name
    zone     = data.aws_lb.front.zone_id == data.aws_lb_hosted_zone_id.nlb.id
    vpc      = data.aws_lb.front.vpc_id == aws_vpc.main.id
    check    = data.aws_lb_target_group.web.health_check[0].path
    group    = data.aws_lb_listener.web.default_action[0].target_group_arn == aws_lb_target_group.web.arn
    balanced = length(data.aws_lbs.all.arns)
    nodes    = length(data.aws_network_interfaces.nodes.ids)
  }
}
