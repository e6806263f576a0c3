# The edge of a VPC: an internet gateway, instances with public addresses, Elastic
# IPs on an instance, on an interface and on a secondary address, and one that
# stands for nothing.

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

resource "aws_vpc" "main" {
  cidr_block           = "10.3.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = "door" }
}

resource "aws_internet_gateway" "spare" {}

resource "aws_internet_gateway_attachment" "spare" {
  internet_gateway_id = aws_internet_gateway.spare.id
  vpc_id              = aws_vpc.other.id
}

resource "aws_vpc" "other" {
  cidr_block = "10.4.0.0/16"
}

resource "aws_route" "out" {
  route_table_id         = aws_vpc.main.main_route_table_id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_subnet" "public" {
  vpc_id                  = aws_vpc.main.id
  cidr_block              = "10.3.1.0/24"
  map_public_ip_on_launch = true
}

resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = aws_vpc.main.id
  ingress {
    protocol    = "tcp"
    from_port   = 80
    to_port     = 80
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_instance" "web" {
  ami                         = data.aws_ami.al2023.id
  instance_type               = "t3.micro"
  subnet_id                   = aws_subnet.public.id
  vpc_security_group_ids      = [aws_security_group.web.id]
  associate_public_ip_address = true
  tags                        = { Name = "web" }
  user_data                   = <<-EOT
    #!/bin/sh
    setsid localvpc guest serve --addr :80 --text web >/var/log/serve.log 2>&1 &
  EOT
}

resource "aws_instance" "mapped" {
  ami                    = data.aws_ami.al2023.id
  instance_type          = "t3.micro"
  subnet_id              = aws_subnet.public.id
  vpc_security_group_ids = [aws_security_group.web.id]
}

resource "aws_subnet" "plain" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.3.2.0/24"
}

resource "aws_instance" "hidden" {
  ami                    = data.aws_ami.al2023.id
  instance_type          = "t3.micro"
  subnet_id              = aws_subnet.plain.id
  vpc_security_group_ids = [aws_security_group.web.id]
}

# It asks for no public address where the subnet gives one.
resource "aws_instance" "without" {
  ami                         = data.aws_ami.al2023.id
  instance_type               = "t3.micro"
  subnet_id                   = aws_subnet.public.id
  associate_public_ip_address = false
}

# On an instance.
resource "aws_eip" "hidden" {
  instance   = aws_instance.hidden.id
  domain     = "vpc"
  depends_on = [aws_internet_gateway.main]
  tags       = { Name = "hidden" }
}

# By an association of its own.
resource "aws_eip" "front" {
  domain = "vpc"
}

resource "aws_eip_association" "front" {
  allocation_id        = aws_eip.front.id
  network_interface_id = aws_network_interface.front.id
  private_ip_address   = "10.3.1.21"
  depends_on           = [aws_internet_gateway.main]
}

resource "aws_network_interface" "front" {
  subnet_id   = aws_subnet.public.id
  private_ips = ["10.3.1.20", "10.3.1.21"]
}

# On the interface's primary address.
resource "aws_eip" "back" {
  domain                    = "vpc"
  network_interface         = aws_network_interface.front.id
  associate_with_private_ip = "10.3.1.20"
  depends_on                = [aws_internet_gateway.main]
}

resource "aws_eip" "spare" {
  domain = "vpc"
}

# AWS wants the name to lead to the address before the address leads to the name.
resource "aws_route53_zone" "mail" {
  name = "example.com"
}

resource "aws_route53_record" "mail" {
  zone_id = aws_route53_zone.mail.zone_id
  name    = "mail.example.com"
  type    = "A"
  ttl     = 300
  records = [aws_eip.spare.public_ip]
}

resource "aws_eip_domain_name" "spare" {
  allocation_id = aws_eip.spare.allocation_id
  domain_name   = aws_route53_record.mail.fqdn
}

data "aws_eip" "front" {
  id         = aws_eip.front.id
  depends_on = [aws_eip_association.front]
}

data "aws_eips" "all" {
  depends_on = [aws_eip.hidden, aws_eip_association.front, aws_eip.back, aws_eip.spare]
}

data "aws_internet_gateway" "main" {
  filter {
    name   = "attachment.vpc-id"
    values = [aws_internet_gateway.main.vpc_id]
  }
}

output "web" {
  value = aws_instance.web.public_dns
}

output "hidden" {
  value = aws_eip.hidden.public_ip
}

output "read" {
  value = {
    mapped  = aws_instance.mapped.public_ip != "" && aws_instance.mapped.public_dns != ""
    without = aws_instance.without.public_ip
    front   = data.aws_eip.front.private_ip
    eips    = length(data.aws_eips.all.allocation_ids)
    door    = data.aws_internet_gateway.main.tags.Name
    pointer = aws_eip_domain_name.spare.ptr_record
  }
}
