package world

import (
	"net"
	"os"
	"os/exec"
	"testing"
)

// BenchmarkProcess is what starting this program alone costs, three times: what
// is above that in BenchmarkStart is the world's.
func BenchmarkProcess(b *testing.B) {
	for b.Loop() {
		for range 3 {
			cmd := exec.Command("/proc/self/exe")
			cmd.Args = []string{holderName} // it finds no socket and ends
			if err := cmd.Run(); err == nil {
				b.Fatal("a holder without a parent")
			}
		}
	}
}

// BenchmarkStart is from Start to an engine that is ready. What it takes to end
// a world is not in it.
func BenchmarkStart(b *testing.B) {
	needWorld(b)
	for b.Loop() {
		w := startHere(b)
		b.StopTimer()
		w.Kill()
		w.Wait()
		b.StartTimer()
	}
}

// BenchmarkStartAndKill is BenchmarkStart and the end of everything.
func BenchmarkStartAndKill(b *testing.B) {
	needWorld(b)
	for b.Loop() {
		w := startHere(b)
		w.Kill()
		w.Wait()
	}
}

// BenchmarkProbe is what asking costs.
func BenchmarkProbe(b *testing.B) {
	needWorld(b)
	for b.Loop() {
		if err := Probe(); err != nil {
			b.Fatal(err)
		}
	}
}

func startHere(b *testing.B) *World {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w, err := Start(Config{Listeners: map[string]*os.File{"api": f}, Stderr: os.Stderr})
	if err != nil {
		b.Fatal(err)
	}
	if _, ok := <-w.Ready(); !ok {
		b.Fatal(w.Wait())
	}
	return w
}
