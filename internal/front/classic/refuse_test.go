package classic

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRefused: what is wrong with a command line is said before anything is asked
// of the service, and names what is missing.
func TestRefused(t *testing.T) {
	clearEnv(t)
	s := newService(t, nil)
	for _, test := range []struct{ line, says string }{
		// The group form takes protocol and account.
		{"ec2-authorize dbserver -p 3306 -u 123456789012 -o appserver", "Required option '-P, --protocol PROTOCOL' missing (-h for usage)"},
		{"ec2-authorize dbserver -P tcp -p 3306 -o appserver", "Required option '-u, --source-or-dest-group-user ACCOUNT' missing (-h for usage)"},
		{"ec2-authorize dbserver -P tcp -p 3306 -o sg-1", "Required option '-u, --source-or-dest-group-user ACCOUNT' missing (-h for usage)"},
		{"ec2-revoke dbserver -p 3306 -o appserver", "Required option '-P, --protocol PROTOCOL' missing (-h for usage)"},
		{"ec2auth dbserver -P tcp -p 3306 -u 123456789012", "Required option '-o, --source-or-dest-group GROUP' missing (-h for usage)"},
		{"ec2auth dbserver -P tcp -p 3306 -u 123456789012 -o a -o b", "Each '-o' needs a '-u' of its own: there are 2 groups and 1 accounts (-h for usage)"},
		{"ec2auth dbserver -P tcp -p 3306 -u root -o a", "Invalid account 'root': it has 12 digits (-h for usage)"},
		{"ec2auth dbserver -P tcp -p 3306 -u 123456789012 -o a -s 10.0.0.0/8", "Options '-o' and '-s' exclude each other: a rule is for groups or for addresses (-h for usage)"},
		// Ports, types and codes.
		{"ec2auth dbserver", "Required option '-p, --port-range PORTS' missing (-h for usage)"},
		{"ec2auth dbserver -P udp -s 10.0.0.0/8", "Required option '-p, --port-range PORTS' missing (-h for usage)"},
		{"ec2auth dbserver -p 65536", "Invalid port range '65536': it is like '80', '80-84' or '-1' (-h for usage)"},
		{"ec2auth dbserver -p 90-80", "Invalid port range '90-80': it is like '80', '80-84' or '-1' (-h for usage)"},
		{"ec2auth dbserver -p -5", "Invalid port range '-5': it is like '80', '80-84' or '-1' (-h for usage)"},
		{"ec2auth dbserver -p http", "Invalid port range 'http': it is like '80', '80-84' or '-1' (-h for usage)"},
		{"ec2auth dbserver -p 80 -t 8:0", "Option '-t' is for icmp, not for tcp (-h for usage)"},
		{"ec2auth dbserver -P icmp", "Required option '-t, --icmp-type-code TYPE:CODE' missing (-h for usage)"},
		{"ec2auth dbserver -P icmp -p 80", "Option '-p' is for tcp and udp: icmp has '-t TYPE:CODE' (-h for usage)"},
		{"ec2auth dbserver -t 8", "Invalid type and code '8': they are like '8:-1' (-h for usage)"},
		{"ec2auth dbserver -t 256:0", "Invalid type and code '256:0': they are like '8:-1' (-h for usage)"},
		{"ec2auth dbserver -P 50 -t 8:0", "Option '-t' is for icmp (-h for usage)"},
		{"ec2auth dbserver -P 50 -p 80", "Option '-p' is for tcp and udp, not for protocol 50 (-h for usage)"},
		{"ec2auth dbserver -P smoke -p 80", "Invalid protocol 'smoke': it is tcp, udp, icmp, all, or a number (-h for usage)"},
		{"ec2auth dbserver -p 80 -s 10.0.0.1", "Invalid CIDR '10.0.0.1': it is like '10.226.14.202/32' (-h for usage)"},
		{"ec2auth -p 80", "Required parameter 'GROUP' missing (-h for usage)"},
		{"ec2auth a b -p 80", "Unexpected parameter 'b' (-h for usage)"},
		{"ec2auth a -p 80 --nonsense", "unknown flag: --nonsense (-h for usage)"},
		// Groups.
		{"ec2-add-group websrv", "Required option '-d, --description DESCRIPTION' missing (-h for usage)"},
		{"ec2-add-group -d text", "Required parameter 'GROUP' missing (-h for usage)"},
		{"ec2-delete-group", "Required parameter 'GROUP' missing (-h for usage)"},
		{"ec2-delete-group a b", "Unexpected parameter 'b' (-h for usage)"},
		{"ec2-describe-group -F web", "Invalid filter 'web': it is like 'instance-state-name=running' (-h for usage)"},
		// Addresses.
		{"ec2-allocate-address 198.18.0.1", "Unexpected parameter '198.18.0.1' (-h for usage)"},
		{"ec2-associate-address 198.18.0.1", "Required option '-i, --instance INSTANCE' missing (-h for usage)"},
		{"ec2-associate-address -i i-1", "Required parameter 'IP' missing (-h for usage)"},
		{"ec2-associate-address -i i-1 -n eni-1 198.18.0.1", "Options '-i' and '-n' exclude each other (-h for usage)"},
		{"ec2-associate-address -i i-1 -a eipalloc-1 198.18.0.1", "Parameter 'IP' and option '-a' exclude each other (-h for usage)"},
		{"ec2-associate-address -i i-1 eipalloc-1", "Invalid IP address 'eipalloc-1': an id is given with -a (-h for usage)"},
		{"ec2-disassociate-address", "Required parameter 'IP' missing (-h for usage)"},
		{"ec2-release-address 198.18.0.1 198.18.0.2", "Unexpected parameter '198.18.0.2' (-h for usage)"},
		{"ec2-describe-addresses web", "Invalid IP address 'web' (-h for usage)"},
		// Instances.
		{"ec2-run-instances", "Required parameter 'AMI' missing (-h for usage)"},
		{"ec2-run-instances ami-1 -n 0", "Invalid instance count '0': it is like '3' or '2-5' (-h for usage)"},
		{"ec2-run-instances ami-1 -n 5-2", "Invalid instance count '5-2': it is like '3' or '2-5' (-h for usage)"},
		{"ec2-run-instances ami-1 -d a -f b", "Options '-d' and '-f' exclude each other (-h for usage)"},
		{"ec2-run-instances ami-1 -f /nonexistent/file", "reading the user data: open /nonexistent/file: no such file or directory"},
		{"ec2-run-instances ami-1 -b /dev/sdb", "Invalid block device mapping '/dev/sdb': it is like '/dev/sdb=:100:true:gp3' (-h for usage)"},
		{"ec2-run-instances ami-1 -b /dev/sdb=:big", "Invalid block device mapping '/dev/sdb=:big': it is like '/dev/sdb=:100:true:gp3' (-h for usage)"},
		{"ec2-run-instances ami-1 -a eni-1", "Invalid network attachment 'eni-1': it is like 'eni-…:1' or ':1:subnet-…:::sg-…' (-h for usage)"},
		{"ec2-run-instances ami-1 -a :1", "Invalid network attachment ':1': it is like 'eni-…:1' or ':1:subnet-…:::sg-…' (-h for usage)"},
		{"ec2-run-instances ami-1 -a eni-1:0 --associate-public-ip-address true", "Option '-a' says itself which addresses an interface has (-h for usage)"},
		{"ec2-run-instances ami-1 -g web --associate-public-ip-address true", "With options on the addresses of the interface its groups are given by id, not as 'web' (-h for usage)"},
		{"ec2-run-instances ami-1 --associate-public-ip-address maybe", "Invalid value 'maybe' of '--associate-public-ip-address': it is true or false (-h for usage)"},
		{"ec2-terminate-instances", "Required parameter 'INSTANCE' missing (-h for usage)"},
		// Who asks, and whom.
		{"ec2-describe-instances -K key.pem", "EC2 takes no X.509 signatures any more: use -O and -W in place of -K and -C (-h for usage)"},
		{"ec2-describe-instances -O key", "-O and -W belong together: one of them is missing (-h for usage)"},
		{"ec2-describe-instances -U ftp://there", "Invalid URL 'ftp://there': it is like 'https://ec2.eu-west-1.amazonaws.com' or 'http://127.0.0.1:4566' (-h for usage)"},
	} {
		out, err := invoke(t, Defaults{URL: s.URL}, "", words(test.line)...)
		if err == nil || err.Error() != test.says || out != "" {
			t.Errorf("%s\nprints %q and says\n%v\nwant\n%s", test.line, out, err, test.says)
		}
	}
	if len(s.asked) > 0 {
		t.Errorf("the service was asked %q", s.asked)
	}
}

// TestFaults: an error of the service is told as the tools told it, and what was
// not done is not printed.
func TestFaults(t *testing.T) {
	clearEnv(t)
	fault := func(code, message string) string {
		return "<Response><Errors><Error><Code>" + code + "</Code><Message>" + message + "</Message></Error></Errors><RequestID>r</RequestID></Response>"
	}
	s := newService(t, map[string]string{
		"AuthorizeSecurityGroupIngress": fault("InvalidGroup.NotFound", "The security group 'nobody' does not exist"),
		"AllocateAddress":               fault("InternalError", "An internal error has occurred"),
		"DescribeAddresses":             "<DescribeAddressesResponse><requestId>r</requestId><addressesSet/></DescribeAddressesResponse>",
	})
	for _, test := range []struct{ line, says string }{
		{"ec2-authorize nobody -p 80", "Client.InvalidGroup.NotFound: The security group 'nobody' does not exist"},
		{"ec2-allocate-address", "Server.InternalError: An internal error has occurred"},
		{"ec2-release-address 198.18.0.1", "There is no Elastic IP address '198.18.0.1' (-h for usage)"},
	} {
		out, err := invoke(t, Defaults{URL: s.URL}, "", words(test.line)...)
		if err == nil || err.Error() != test.says || out != "" {
			t.Errorf("%s prints %q and says %v, want %s", test.line, out, err, test.says)
		}
	}
}

// TestStandardInput: "-" stands for the words that come there.
func TestStandardInput(t *testing.T) {
	clearEnv(t)
	s := newService(t, map[string]string{
		"TerminateInstances": "<TerminateInstancesResponse><requestId>r</requestId><instancesSet/></TerminateInstancesResponse>",
		"RunInstances":       "<RunInstancesResponse><requestId>r</requestId><reservationId>r-1</reservationId></RunInstancesResponse>",
	})
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ line, stdin, asked string }{
		{"ec2kill i-1 - i-4", "i-2\ni-3\n", "TerminateInstances InstanceId.1=i-1 InstanceId.2=i-2 InstanceId.3=i-3 InstanceId.4=i-4"},
		{"ec2run ami-1 -d -", "hello\n", "RunInstances ImageId=ami-1 MaxCount=1 MinCount=1 UserData=aGVsbG8K"},
		{"ec2run ami-1 -f -", "hello\n", "RunInstances ImageId=ami-1 MaxCount=1 MinCount=1 UserData=aGVsbG8K"},
		{"ec2run ami-1 -f " + file, "", "RunInstances ImageId=ami-1 MaxCount=1 MinCount=1 UserData=aGVsbG8K"},
	} {
		s.asked = nil
		if _, err := invoke(t, Defaults{URL: s.URL}, test.stdin, words(test.line)...); err != nil {
			t.Error(err)
		}
		if got := strings.Join(s.asked, "\n"); got != test.asked {
			t.Errorf("%s asks %s, want %s", test.line, got, test.asked)
		}
	}
	if _, err := invoke(t, Defaults{URL: s.URL}, strings.Repeat("i-1 ", maxStdin), "ec2kill", "-"); err == nil || !strings.Contains(err.Error(), "standard input is longer than") {
		t.Errorf("endless standard input: %v", err)
	}
}

func TestIs(t *testing.T) {
	for _, name := range []string{"ec2-authorize", "ec2auth", "ec2-run-instances", "ec2run", "ec2din", "ec2kill", "ec2-create-group", "ec2daddr"} {
		if !Is(name) {
			t.Errorf("%s is a command", name)
		}
	}
	for _, name := range []string{"", "localvpc", "ec2", "ec2-", "ec2-nonsense", "GROUP"} {
		if Is(name) {
			t.Errorf("%s is no command", name)
		}
	}
}
