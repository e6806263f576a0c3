# Route tables of every kind, routes to gateways, interfaces and prefix lists, and
# the default VPC adopted.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}

variable "offices" {
  type    = map(string)
  default = { "192.0.2.0/24" = "north", "198.51.100.0/24" = "south" }
}

resource "aws_default_vpc" "here" {}

resource "aws_vpc" "main" {
  cidr_block = "10.6.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.6.1.0/24"
}

resource "aws_subnet" "b" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.6.2.0/24"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_network_interface" "box" {
  subnet_id = aws_subnet.b.id
}

resource "aws_ec2_managed_prefix_list" "offices" {
  name           = "offices"
  address_family = "IPv4"
  max_entries    = 5

  dynamic "entry" {
    for_each = var.offices
    content {
      cidr        = entry.key
      description = entry.value
    }
  }
}

resource "aws_ec2_managed_prefix_list" "loose" {
  name           = "loose"
  address_family = "IPv4"
  max_entries    = 3
}

resource "aws_ec2_managed_prefix_list_entry" "one" {
  cidr           = "203.0.113.0/24"
  description    = "one"
  prefix_list_id = aws_ec2_managed_prefix_list.loose.id
}

resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "offices" {
  security_group_id = aws_security_group.web.id
  prefix_list_id    = aws_ec2_managed_prefix_list.offices.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_default_route_table" "main" {
  default_route_table_id = aws_vpc.main.default_route_table_id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }
  route {
    ipv6_cidr_block = "::/0"
    gateway_id      = aws_internet_gateway.main.id
  }
}

resource "aws_route_table" "inline" {
  vpc_id = aws_vpc.main.id

  route {
    cidr_block           = aws_subnet.a.cidr_block
    network_interface_id = aws_network_interface.box.id
  }
  route {
    destination_prefix_list_id = aws_ec2_managed_prefix_list.offices.id
    gateway_id                 = aws_internet_gateway.main.id
  }
  tags = { Name = "inline" }
}

resource "aws_route_table" "plain" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route" "out" {
  route_table_id         = aws_route_table.plain.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_route" "box" {
  route_table_id         = aws_route_table.plain.id
  destination_cidr_block = "172.16.0.0/12"
  network_interface_id   = aws_network_interface.box.id
}

resource "aws_route_table_association" "a" {
  subnet_id      = aws_subnet.a.id
  route_table_id = aws_route_table.inline.id
}

resource "aws_route_table" "edge" {
  vpc_id = aws_vpc.main.id

  route {
    cidr_block           = aws_subnet.b.cidr_block
    network_interface_id = aws_network_interface.box.id
  }
}

resource "aws_route_table_association" "edge" {
  gateway_id     = aws_internet_gateway.main.id
  route_table_id = aws_route_table.edge.id
}

resource "aws_vpc" "other" {
  cidr_block = "10.7.0.0/16"
}

resource "aws_route_table" "other" {
  vpc_id = aws_vpc.other.id
}

resource "aws_main_route_table_association" "other" {
  vpc_id         = aws_vpc.other.id
  route_table_id = aws_route_table.other.id
}

data "aws_route_table" "a" {
  subnet_id  = aws_subnet.a.id
  depends_on = [aws_route_table_association.a]
}

data "aws_ec2_managed_prefix_list" "offices" {
  name       = "offices"
  depends_on = [aws_ec2_managed_prefix_list.offices]
}

output "read" {
  value = {
    default = aws_default_vpc.here.cidr_block
    name    = data.aws_route_table.a.tags["Name"]
    routes  = length(data.aws_route_table.a.routes)
    offices = length(data.aws_ec2_managed_prefix_list.offices.entries)
    version = data.aws_ec2_managed_prefix_list.offices.version
  }
}
