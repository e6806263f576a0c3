# The remaining resources and the data sources of the first issue's kinds: each
# is created, read back by the provider, and must make no difference in a plan.

data "aws_availability_zones" "all" {
  state = "available"
}

data "aws_region" "here" {}
data "aws_regions" "all" {}
data "aws_caller_identity" "me" {}
data "aws_partition" "here" {}

data "aws_availability_zone" "a" {
  name = data.aws_availability_zones.all.names[0]
}

data "aws_ec2_instance_type" "micro" {
  instance_type = "t3.micro"
}

data "aws_ec2_instance_types" "free" {
  filter {
    name   = "free-tier-eligible"
    values = ["true"]
  }
}

data "aws_ec2_instance_type_offerings" "zones" {
  location_type = "availability-zone"
  filter {
    name   = "instance-type"
    values = ["t3.micro"]
  }
}

data "aws_ami_ids" "ubuntu" {
  owners = ["099720109477"]
}

resource "aws_default_security_group" "main" {
  vpc_id = aws_vpc.main.id

  ingress {
    protocol  = -1
    self      = true
    from_port = 0
    to_port   = 0
  }
}

resource "aws_security_group" "inline" {
  name        = "inline"
  description = "rules inside the group"
  vpc_id      = aws_vpc.main.id

  ingress {
    description = "web"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["10.0.0.0/8", "192.168.0.0/16"]
  }
  ingress {
    from_port       = 22
    to_port         = 22
    protocol        = "tcp"
    security_groups = [aws_security_group.app.id]
    self            = true
  }
  ingress {
    from_port        = -1
    to_port          = -1
    protocol         = "icmpv6"
    ipv6_cidr_blocks = ["::/0"]
  }
  egress {
    from_port   = 8
    to_port     = 0
    protocol    = "icmp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "legacy" {
  name_prefix            = "legacy-"
  vpc_id                 = aws_vpc.main.id
  revoke_rules_on_delete = true
}

resource "aws_security_group_rule" "in" {
  type              = "ingress"
  security_group_id = aws_security_group.legacy.id
  protocol          = "udp"
  from_port         = 53
  to_port           = 53
  cidr_blocks       = ["10.2.0.0/16"]
  description       = "names"
}

resource "aws_security_group_rule" "out" {
  type                     = "egress"
  security_group_id        = aws_security_group.legacy.id
  protocol                 = "-1"
  from_port                = 0
  to_port                  = 0
  source_security_group_id = aws_security_group.app.id
}

resource "aws_vpc_dhcp_options" "named" {
  domain_name         = "example.internal"
  domain_name_servers = ["AmazonProvidedDNS"]
  ntp_servers         = ["169.254.169.123"]
  tags                = { Name = "named" }
}

resource "aws_vpc_dhcp_options_association" "main" {
  vpc_id          = aws_vpc.main.id
  dhcp_options_id = aws_vpc_dhcp_options.named.id
}

resource "aws_network_interface" "spare" {
  subnet_id       = aws_subnet.a.id
  private_ips     = ["10.2.1.50"]
  security_groups = [aws_security_group.inline.id]
  description     = "spare"
  tags            = { Name = "spare" }
}

resource "aws_network_interface" "primary" {
  subnet_id       = aws_subnet.a.id
  security_groups = [aws_security_group.app.id]
}

resource "aws_instance" "by_interface" {
  ami           = data.aws_ami.al2023.id
  instance_type = "t3.nano"

  network_interface {
    network_interface_id = aws_network_interface.primary.id
    device_index         = 0
  }
}

resource "aws_ec2_tag" "extra" {
  resource_id = data.aws_route_table.main.id
  key         = "Extra"
  value       = "yes"
}

resource "aws_vpc_ipv4_cidr_block_association" "second" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.3.0.0/16"
}

data "aws_vpc" "main" {
  filter {
    name   = "tag:Name"
    values = ["main"]
  }
  depends_on = [aws_vpc.main]
}

data "aws_vpcs" "all" {
  tags = { Project = "localvpc" }

  depends_on = [aws_vpc.main]
}

data "aws_subnet" "a" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = aws_subnet.a.cidr_block
  availability_zone = aws_subnet.a.availability_zone
}

data "aws_subnets" "all" {
  filter {
    name   = "vpc-id"
    values = [aws_vpc.main.id]
  }
  depends_on = [aws_subnet.a, aws_subnet.b]
}

data "aws_security_group" "default" {
  vpc_id = aws_vpc.main.id
  name   = "default"
}

data "aws_security_groups" "all" {
  filter {
    name   = "group-name"
    values = ["app", "d?"]
  }
  depends_on = [aws_security_group.app, aws_security_group.db]
}

data "aws_vpc_security_group_rules" "db" {
  filter {
    name   = "group-id"
    values = [aws_security_group.db.id]
  }
  depends_on = [aws_vpc_security_group_ingress_rule.db_from_app, aws_vpc_security_group_egress_rule.all]
}

data "aws_vpc_security_group_rule" "one" {
  security_group_rule_id = aws_vpc_security_group_ingress_rule.db_from_app.id
}

data "aws_instance" "db" {
  instance_id       = aws_instance.db.id
  get_user_data     = true
  get_password_data = false
}

data "aws_instances" "all" {
  instance_state_names = ["running"]
  instance_tags        = { Project = "localvpc" }

  depends_on = [aws_instance.db, aws_instance.app, aws_instance.by_interface]
}

data "aws_network_interface" "db" {
  id = aws_instance.db.primary_network_interface_id
}

data "aws_network_interfaces" "all" {
  filter {
    name   = "attachment.instance-id"
    values = [aws_instance.db.id, aws_instance.app.id]
  }
}

data "aws_key_pair" "me" {
  key_name           = aws_key_pair.me.key_name
  include_public_key = true
}

data "aws_vpc_dhcp_options" "main" {
  dhcp_options_id = aws_vpc_dhcp_options_association.main.dhcp_options_id
}

data "aws_route_table" "main" {
  vpc_id = aws_vpc.main.id
  filter {
    name   = "association.main"
    values = ["true"]
  }
}

data "aws_route_tables" "all" {
  vpc_id = aws_vpc.main.id
}

data "aws_network_acls" "all" {
  vpc_id = aws_vpc.main.id
}

data "aws_ebs_volume" "root" {
  filter {
    name   = "attachment.instance-id"
    values = [aws_instance.db.id]
  }
}

data "aws_ebs_volumes" "all" {
  filter {
    name   = "size"
    values = ["12"]
  }
  depends_on = [aws_instance.app]
}

data "aws_nat_gateways" "none" {}
data "aws_eips" "none" {}

output "read" {
  value = {
    account     = data.aws_caller_identity.me.account_id
    zone        = data.aws_availability_zone.a.zone_id
    vpcs        = length(data.aws_vpcs.all.ids)
    subnets     = length(data.aws_subnets.all.ids)
    groups      = length(data.aws_security_groups.all.ids)
    rules       = length(data.aws_vpc_security_group_rules.db.ids)
    instances   = length(data.aws_instances.all.ids)
    interfaces  = length(data.aws_network_interfaces.all.ids)
    key         = data.aws_key_pair.me.fingerprint
    domain      = data.aws_vpc_dhcp_options.main.domain_name
    acls        = length(data.aws_network_acls.all.ids)
    volume_size = data.aws_ebs_volume.root.size
    volumes     = length(data.aws_ebs_volumes.all.ids)
    vcpus       = data.aws_ec2_instance_type.micro.default_vcpus
    ubuntu      = length(data.aws_ami_ids.ubuntu.ids)
  }
}
