# NAT gateways: a public one with two Elastic IPs, a private one with several
# addresses, an instance behind the first; and a raised quota.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}

data "aws_ami" "al2023" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-2023*-x86_64"]
  }
}

resource "aws_servicequotas_service_quota" "addresses" {
  service_code = "ec2"
  quota_code   = "L-0263D0A3"
  value        = 6
}

resource "aws_vpc" "main" {
  cidr_block = "10.5.0.0/16"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route" "out" {
  route_table_id         = aws_vpc.main.main_route_table_id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_subnet" "public" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.5.1.0/24"
}

resource "aws_subnet" "private" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.5.2.0/24"
}

# Where every address is chosen: what AWS draws in the other subnets never meets them.
resource "aws_subnet" "chosen" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.5.3.0/24"
}

resource "aws_eip" "first" {
  depends_on = [aws_internet_gateway.main]
}

resource "aws_eip" "second" {
  depends_on = [aws_internet_gateway.main]
}

resource "aws_nat_gateway" "public" {
  subnet_id                = aws_subnet.public.id
  allocation_id            = aws_eip.first.allocation_id
  private_ip               = "10.5.1.9"
  secondary_allocation_ids = [aws_eip.second.allocation_id]
  tags                     = { Name = "out" }
}

resource "aws_nat_gateway" "private" {
  subnet_id                          = aws_subnet.public.id
  connectivity_type                  = "private"
  secondary_private_ip_address_count = 2
  depends_on                         = [aws_nat_gateway.public] # which chooses its address
}

resource "aws_nat_gateway" "listed" {
  subnet_id                      = aws_subnet.chosen.id
  connectivity_type              = "private"
  private_ip                     = "10.5.3.9"
  secondary_private_ip_addresses = var.listed
}

variable "listed" {
  type    = list(string)
  default = ["10.5.3.10", "10.5.3.11"]
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.public.id
  }
}

resource "aws_route_table_association" "private" {
  subnet_id      = aws_subnet.private.id
  route_table_id = aws_route_table.private.id
}

resource "aws_network_interface" "pods" {
  subnet_id         = aws_subnet.private.id
  ipv4_prefix_count = 1
}

resource "aws_network_interface" "block" {
  subnet_id     = aws_subnet.chosen.id
  ipv4_prefixes = ["10.5.3.32/28"]
}

resource "aws_instance" "inner" {
  ami           = data.aws_ami.al2023.id
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.private.id
  tags          = { Name = "inner" }
}

data "aws_nat_gateway" "public" {
  vpc_id = aws_vpc.main.id
  filter {
    name   = "tag:Name"
    values = ["out"]
  }
  depends_on = [aws_nat_gateway.public]
}

data "aws_nat_gateways" "all" {
  vpc_id     = aws_vpc.main.id
  depends_on = [aws_nat_gateway.public, aws_nat_gateway.private, aws_nat_gateway.listed]
}

data "aws_servicequotas_service_quota" "vpcs" {
  service_code = "vpc"
  quota_name   = "VPCs per Region"
}

output "addresses" {
  value = [aws_eip.first.public_ip, aws_eip.second.public_ip]
}

output "read" {
  value = {
    public    = data.aws_nat_gateway.public.public_ip == aws_eip.first.public_ip
    private   = data.aws_nat_gateway.public.private_ip
    state     = data.aws_nat_gateway.public.state
    all       = length(data.aws_nat_gateways.all.ids)
    secondary = length(aws_nat_gateway.private.secondary_private_ip_addresses)
    prefixes  = length(aws_network_interface.pods.ipv4_prefixes)
    quota     = aws_servicequotas_service_quota.addresses.value
    vpcs      = data.aws_servicequotas_service_quota.vpcs.value
  }
}
