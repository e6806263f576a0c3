# VPC peering connections from one VPC: to a neighbour of the same account and
# Region, to another Region, to another account; their options, routes and tags on
# both sides, and rules that refer to a group behind one.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}

provider "aws" {
  alias                   = "far"
  region                  = "eu-west-1"
  skip_metadata_api_check = true
}

# An access key of 12 digits is that account.
provider "aws" {
  alias                   = "other"
  region                  = "us-east-1"
  access_key              = "222222222222"
  secret_key              = "test"
  skip_metadata_api_check = true
}

data "aws_caller_identity" "other" {
  provider = aws.other
}

resource "aws_vpc" "hub" {
  cidr_block           = "10.40.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_vpc" "near" {
  cidr_block           = "10.41.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_vpc" "far" {
  provider             = aws.far
  cidr_block           = "10.42.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_vpc" "other" {
  provider             = aws.other
  cidr_block           = "10.43.0.0/16"
  enable_dns_hostnames = true
}

# The same account and Region: one resource asks, accepts and sets both options.
resource "aws_vpc_peering_connection" "near" {
  vpc_id      = aws_vpc.hub.id
  peer_vpc_id = aws_vpc.near.id
  auto_accept = true
  accepter {
    allow_remote_vpc_dns_resolution = true
  }
  requester {
    allow_remote_vpc_dns_resolution = true
  }
  tags = { Name = "near" }
}

# Another Region: accepted there, and each side's option is set in its Region.
resource "aws_vpc_peering_connection" "far" {
  vpc_id      = aws_vpc.hub.id
  peer_vpc_id = aws_vpc.far.id
  peer_region = "eu-west-1"
  auto_accept = false
  tags        = { Side = "requester" }
}

resource "aws_vpc_peering_connection_accepter" "far" {
  provider                  = aws.far
  vpc_peering_connection_id = aws_vpc_peering_connection.far.id
  auto_accept               = true
  tags                      = { Side = "accepter" }
}

resource "aws_vpc_peering_connection_options" "far_requester" {
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.far.id
  requester {
    allow_remote_vpc_dns_resolution = true
  }
}

resource "aws_vpc_peering_connection_options" "far_accepter" {
  provider                  = aws.far
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.far.id
  accepter {
    allow_remote_vpc_dns_resolution = true
  }
}

# Another account.
resource "aws_vpc_peering_connection" "other" {
  vpc_id        = aws_vpc.hub.id
  peer_vpc_id   = aws_vpc.other.id
  peer_owner_id = data.aws_caller_identity.other.account_id
  tags          = { Side = "requester" }
}

resource "aws_vpc_peering_connection_accepter" "other" {
  provider                  = aws.other
  vpc_peering_connection_id = aws_vpc_peering_connection.other.id
  auto_accept               = true
  tags                      = { Side = "accepter" }
}

resource "aws_vpc_peering_connection_options" "other_accepter" {
  provider                  = aws.other
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.other.id
  accepter {
    allow_remote_vpc_dns_resolution = true
  }
}

resource "aws_route" "to_near" {
  route_table_id            = aws_vpc.hub.main_route_table_id
  destination_cidr_block    = aws_vpc.near.cidr_block
  vpc_peering_connection_id = aws_vpc_peering_connection.near.id
}

# Led to a request that is pending; it is active when that is accepted.
resource "aws_route" "to_far" {
  route_table_id            = aws_vpc.hub.main_route_table_id
  destination_cidr_block    = aws_vpc.far.cidr_block
  vpc_peering_connection_id = aws_vpc_peering_connection.far.id
}

resource "aws_route" "from_far" {
  provider                  = aws.far
  route_table_id            = aws_vpc.far.main_route_table_id
  destination_cidr_block    = aws_vpc.hub.cidr_block
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.far.id
}

resource "aws_route_table" "other" {
  provider = aws.other
  vpc_id   = aws_vpc.other.id
  route {
    cidr_block                = aws_vpc.hub.cidr_block
    vpc_peering_connection_id = aws_vpc_peering_connection_accepter.other.id
  }
}

# A group of the other account, in rules of this one, in all of Terraform's ways.
resource "aws_security_group" "client" {
  provider    = aws.other
  name        = "client"
  description = "asks"
  vpc_id      = aws_vpc.other.id
}

resource "aws_security_group" "server" {
  name        = "server"
  description = "answers"
  vpc_id      = aws_vpc.hub.id
}

resource "aws_vpc_security_group_ingress_rule" "server" {
  security_group_id            = aws_security_group.server.id
  referenced_security_group_id = "${data.aws_caller_identity.other.account_id}/${aws_security_group.client.id}"
  ip_protocol                  = "tcp"
  from_port                    = 80
  to_port                      = 80
  depends_on                   = [aws_vpc_peering_connection_accepter.other]
}

resource "aws_security_group_rule" "server" {
  type                     = "ingress"
  security_group_id        = aws_security_group.server.id
  source_security_group_id = "${data.aws_caller_identity.other.account_id}/${aws_security_group.client.id}"
  protocol                 = "tcp"
  from_port                = 443
  to_port                  = 443
  depends_on               = [aws_vpc_peering_connection_accepter.other]
}

data "aws_vpc_peering_connection" "near" {
  vpc_id      = aws_vpc.hub.id
  peer_vpc_id = aws_vpc_peering_connection.near.peer_vpc_id
  status      = "active"
}

data "aws_vpc_peering_connections" "hub" {
  filter {
    name   = "requester-vpc-info.vpc-id"
    values = [aws_vpc.hub.id]
  }
  depends_on = [aws_vpc_peering_connection_accepter.far, aws_vpc_peering_connection_accepter.other]
}

output "read" {
  value = {
    near     = data.aws_vpc_peering_connection.near.tags["Name"]
    block    = data.aws_vpc_peering_connection.near.peer_cidr_block
    hub      = length(data.aws_vpc_peering_connections.hub.ids)
    far      = aws_vpc_peering_connection_accepter.far.accept_status
    region   = aws_vpc_peering_connection_accepter.far.peer_region
    other    = aws_vpc_peering_connection_accepter.other.accept_status
    owner    = aws_vpc_peering_connection_accepter.other.peer_owner_id
    referred = aws_vpc_security_group_ingress_rule.server.referenced_security_group_id == "222222222222/${aws_security_group.client.id}"
  }
}

output "hub" {
  value = aws_vpc.hub.id
}
