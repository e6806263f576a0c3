package datagram

import (
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many packets are read and answered with one system call each.
const batchSize = 32

// message is struct mmsghdr (recvmmsg(2)).
type message struct {
	header unix.Msghdr
	size   uint32
}

// batch is the memory of packets that are answered together. A socket has one only
// while it is being asked.
type batch struct {
	in, out [batchSize]message
	read    [batchSize]unix.Iovec
	written [batchSize]unix.Iovec
	from    [batchSize]unix.RawSockaddrInet6
	control [batchSize][controlSize]uint64
	data    [batchSize][maxPacket]byte
	end     [batchSize]int // of each answer in answers
	source  [batchSize]int // the packet that each answer is for
	answers []byte
}

// controlSize in words is enough for one destination (cmsg(3)).
const controlSize = 4

var batches = sync.Pool{New: func() any {
	b := &batch{answers: make([]byte, 0, batchSize*512)}
	for i := range batchSize {
		b.read[i].Base = &b.data[i][0]
		b.read[i].SetLen(maxPacket)
		b.in[i].header.Name = (*byte)(unsafe.Pointer(&b.from[i]))
		b.in[i].header.Iov = &b.read[i]
		b.in[i].header.SetIovlen(1)
		b.out[i].header.Iov = &b.written[i]
		b.out[i].header.SetIovlen(1)
	}
	return b
}}

// receive reads as many packets as are there, without waiting. The call is short
// enough for the scheduler not to be told of it.
func (b *batch) receive(fd int, told bool) (int, error) {
	for i := range batchSize {
		h := &b.in[i].header
		h.Namelen = unix.SizeofSockaddrInet6
		h.Control = nil
		h.SetControllen(0)
		if told {
			h.Control = (*byte)(unsafe.Pointer(&b.control[i]))
			h.SetControllen(int(unsafe.Sizeof(b.control[i])))
		}
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.in)), batchSize, unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// answer makes the answers to the first n packets and says how many there are.
func (b *batch) answer(c *Conn, n int, told bool, answer Answer) (count int) {
	b.answers = b.answers[:0]
	for i := range n {
		p := Packet{Text: b.data[i][:b.in[i].size], From: addrOf(&b.from[i]), peer: peer{c, b, i}}
		if told {
			p.To = b.destination(i)
		}
		start := len(b.answers)
		if b.answers = answer(p, b.answers); len(b.answers) > start {
			b.end[count], b.source[count] = len(b.answers), i
			count++
		}
	}
	start := 0
	for i := range count {
		b.written[i].Base = &b.answers[start]
		b.written[i].SetLen(b.end[i] - start)
		start = b.end[i]
		in, out := &b.in[b.source[i]].header, &b.out[i].header
		out.Name, out.Namelen, out.Control, out.Controllen = in.Name, in.Namelen, in.Control, in.Controllen
	}
	return count
}

// send sends the answers. One that cannot be sent is lost, as packets may be.
func (b *batch) send(fd, count int) {
	for next := 0; next < count; {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.out[next])), uintptr(count-next), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			next += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			if !room(fd) {
				return
			}
		default:
			next++
		}
	}
}

// peer is who sent a packet.
type peer struct {
	c *Conn
	b *batch
	i int
}

func (p peer) later() func([]byte) {
	from, control, size := p.b.from[p.i], p.b.control[p.i], p.b.in[p.i].header.Controllen
	name := p.b.in[p.i].header.Namelen
	return func(answer []byte) {
		if len(answer) == 0 {
			return
		}
		vec := unix.Iovec{Base: &answer[0]}
		vec.SetLen(len(answer))
		m := unix.Msghdr{Name: (*byte)(unsafe.Pointer(&from)), Namelen: name, Iov: &vec}
		m.SetIovlen(1)
		if size > 0 {
			m.Control, m.Controllen = (*byte)(unsafe.Pointer(&control)), size
		}
		p.c.mu.Lock()
		defer p.c.mu.Unlock()
		if !p.c.ended {
			_, _, _ = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(p.c.fd), uintptr(unsafe.Pointer(&m)), unix.MSG_DONTWAIT)
		}
	}
}

// room waits until more can be sent, as long as answers are worth waiting for.
func room(fd int) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 100)
		if err != unix.EINTR {
			return n > 0 && err == nil
		}
	}
}

// destination reads where a packet was sent to (ip(7), IP_PKTINFO), and makes of
// what it was told by what has the answer sent from there.
func (b *batch) destination(i int) netip.Addr {
	h := &b.in[i].header
	head := (*unix.Cmsghdr)(unsafe.Pointer(&b.control[i]))
	if int(h.Controllen) < unix.CmsgLen(unix.SizeofInet4Pktinfo) || head.Level != unix.IPPROTO_IP || head.Type != unix.IP_PKTINFO {
		h.Control = nil
		h.SetControllen(0)
		return netip.Addr{}
	}
	info := (*unix.Inet4Pktinfo)(unsafe.Add(unsafe.Pointer(head), unix.CmsgLen(0)))
	info.Ifindex, info.Spec_dst = 0, info.Addr
	return netip.AddrFrom4(info.Addr)
}

// addrOf is the address of a peer; the zero one of another family.
func addrOf(a *unix.RawSockaddrInet6) netip.Addr {
	switch a.Family {
	case unix.AF_INET:
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(a)).Addr)
	case unix.AF_INET6:
		return netip.AddrFrom16(a.Addr).Unmap()
	}
	return netip.Addr{}
}
