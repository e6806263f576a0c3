//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// stat is what /proc/PID/stat says that is needed here (proc_pid_stat(5)).
type stat struct {
	parent int
	cpu    float64 // seconds, user and system, that of children waited for included
}

// ticks is USER_HZ, the unit of times in /proc: 100 on every Linux that Go runs on.
const ticks = 100

func readStat(pid int) (s stat, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	// pid (name) state ppid …; the name may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 15 {
		return s, fmt.Errorf("process %d: its stat is %q", pid, text)
	}
	for _, field := range fields[11:15] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return s, err
		}
		s.cpu += n / ticks
	}
	s.parent, err = strconv.Atoi(fields[1])
	return s, err
}

// gone tells that a process has ended while it was looked at.
func gone(err error) bool { return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

// guestName begins the command line of an instance's first process.
const guestName = "localvpc-init"

// isGuest tells whether a process is an instance's first.
func isGuest(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.HasPrefix(string(text), guestName)
}

// descendants are a process and all below it.
func descendants(pid int) ([]int, error) { return below(pid, func(int) bool { return true }) }

// below are a process and all below it, but for those that count says no to and what
// is below them.
func below(pid int, counts func(int) bool) ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, dir := range dirs {
		child, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		s, err := readStat(child)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		children[s.parent] = append(children[s.parent], child)
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		for _, child := range children[all[i]] {
			if counts(child) {
				all = append(all, child)
			}
		}
	}
	return all, nil
}

// cpuOf is the CPU time in seconds that a process and all below it have used.
func cpuOf(pid int) (float64, error) {
	pids, err := descendants(pid)
	if err != nil {
		return 0, err
	}
	return cpuOfAll(pids)
}

// cpuOfServer is cpuOf without instances: they are who asks.
func cpuOfServer(pid int) (float64, error) {
	pids, err := below(pid, func(child int) bool { return !isGuest(child) })
	if err != nil {
		return 0, err
	}
	return cpuOfAll(pids)
}

func cpuOfAll(pids []int) (seconds float64, err error) {
	for _, pid := range pids {
		s, err := readStat(pid)
		if err != nil && !gone(err) {
			return 0, err
		}
		seconds += s.cpu
	}
	return seconds, nil
}

// usage is how much CPU time the machine and this run's processes have used.
type usage struct{ machine, own, all float64 }

// cpuUsage reads it, in seconds. The machine's holds what its hypervisor gave to others.
func cpuUsage() (u usage, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal …
	if len(fields) < 9 {
		return u, fmt.Errorf("/proc/stat begins with %q", line)
	}
	for i, field := range fields[1:9] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return u, err
		}
		u.all += n / ticks
		if i != 3 && i != 4 {
			u.machine += n / ticks
		}
	}
	u.own, err = cpuOf(os.Getpid())
	return u, err
}

// others is the share of the CPUs, 0 to 1, that other programs had since before.
func (u usage) others(before usage) float64 {
	return max(0, (u.machine-before.machine)-(u.own-before.own)) / (u.all - before.all)
}

// memory is the proportional set size of all processes, in bytes, and their number.
func (p *program) memory() (bytes float64, count int, err error) {
	pids, err := descendants(p.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if gone(err) {
			continue
		}
		if err != nil {
			return 0, 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
				kib, err := strconv.ParseFloat(f[1], 64)
				if err != nil {
					return 0, 0, err
				}
				bytes += kib * 1024
				count++
			}
		}
	}
	return bytes, count, nil
}
