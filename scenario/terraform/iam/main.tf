# Identities of all kinds, and an instance with a role.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                  = "us-east-1"
  skip_region_validation  = true
  skip_metadata_api_check = true
}

data "aws_caller_identity" "me" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "look" {
  statement {
    sid       = "Look"
    actions   = ["ec2:Describe*"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = ["us-east-1", "eu-west-1"]
    }
  }
}

resource "aws_iam_policy" "look" {
  name        = "look"
  path        = "/team/"
  description = "looking"
  policy      = data.aws_iam_policy_document.look.json
  tags        = { team = "red" }
}

resource "aws_iam_role" "web" {
  name                 = "web"
  description          = "of web servers"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 7200
  permissions_boundary = aws_iam_policy.look.arn
  tags                 = { team = "red" }
}

resource "aws_iam_role_policy" "inline" {
  name   = "inline"
  role   = aws_iam_role.web.id
  policy = data.aws_iam_policy_document.look.json
}

resource "aws_iam_role_policy_attachment" "look" {
  role       = aws_iam_role.web.name
  policy_arn = aws_iam_policy.look.arn
}

resource "aws_iam_role_policy_attachment" "managed" {
  role       = aws_iam_role.web.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "web" {
  name = "web"
  role = aws_iam_role.web.name
  tags = { team = "red" }
}

resource "aws_iam_user" "bob" {
  name          = "bob"
  path          = "/people/"
  force_destroy = true
  tags          = { team = "red" }
}

resource "aws_iam_access_key" "bob" {
  user = aws_iam_user.bob.name
}

resource "aws_iam_user_policy" "bob" {
  name   = "own"
  user   = aws_iam_user.bob.name
  policy = data.aws_iam_policy_document.look.json
}

resource "aws_iam_user_policy_attachment" "bob" {
  user       = aws_iam_user.bob.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonVPCReadOnlyAccess"
}

resource "aws_iam_group" "ops" {
  name = "ops"
}

resource "aws_iam_group_membership" "ops" {
  name  = "ops"
  group = aws_iam_group.ops.name
  users = [aws_iam_user.bob.name]
}

resource "aws_iam_group_policy" "ops" {
  name   = "ops"
  group  = aws_iam_group.ops.name
  policy = data.aws_iam_policy_document.look.json
}

resource "aws_iam_group_policy_attachment" "ops" {
  group      = aws_iam_group.ops.name
  policy_arn = aws_iam_policy.look.arn
}

resource "aws_iam_account_alias" "alias" {
  account_alias = "acme"
}

resource "aws_iam_account_password_policy" "strict" {
  minimum_password_length = 12
  require_numbers         = true
}

resource "aws_iam_service_linked_role" "elb" {
  aws_service_name = "elasticloadbalancing.amazonaws.com"
}

resource "aws_vpc" "net" {
  cidr_block = "10.4.0.0/16"
}

resource "aws_subnet" "net" {
  vpc_id     = aws_vpc.net.id
  cidr_block = "10.4.1.0/24"
}

data "aws_ami" "al2023" {
  owners      = ["amazon"]
  most_recent = true
  filter {
    name   = "name"
    values = ["al2023-ami-2023*"]
  }
}

resource "aws_instance" "web" {
  ami                  = data.aws_ami.al2023.id
  instance_type        = "t3.micro"
  subnet_id            = aws_subnet.net.id
  iam_instance_profile = aws_iam_instance_profile.web.name
  tags                 = { Name = "web" }
}

data "aws_iam_role" "web" {
  name = aws_iam_role.web.name
}

data "aws_iam_policy" "managed" {
  name = "AmazonRoute53FullAccess"
}

data "aws_iam_principal_policy_simulation" "bob" {
  policy_source_arn = aws_iam_user.bob.arn
  action_names      = ["ec2:DescribeVpcs"]
  context {
    key    = "aws:RequestedRegion"
    type   = "string"
    values = ["eu-west-1"]
  }
  depends_on = [aws_iam_user_policy.bob]
}

output "read" {
  value = {
    role    = data.aws_iam_role.web.arn
    managed = data.aws_iam_policy.managed.arn
    allowed = data.aws_iam_principal_policy_simulation.bob.all_allowed
    caller  = data.aws_caller_identity.me.arn
    policy  = aws_iam_policy.look.arn
  }
}

output "key" {
  value     = { id = aws_iam_access_key.bob.id, secret = aws_iam_access_key.bob.secret }
  sensitive = true
}
