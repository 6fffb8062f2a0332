// What an image holds that has one static program only: a client of its own, with TLS by the system's roots.
//
//	fetch get URL               the answer's body; status 3 and the body where it is not 200
//	fetch dial NETWORK ADDRESS  "open" or why not
//	fetch ask SERVER NAME       the addresses that this name server says
//	fetch past ADDRESS          a packet to a neighbour, past the routes
//	fetch who                   user, capabilities, and what a process may still do
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

const patience = 3 * time.Second

func say(err error) {
	if err != nil {
		fmt.Println("closed:", err)
		os.Exit(1)
	}
	fmt.Println("open")
}

func get(url string) {
	client := http.Client{Timeout: 20 * time.Second}
	r, err := client.Get(url)
	if err != nil {
		say(err)
	}
	_, _ = io.Copy(os.Stdout, r.Body)
	if r.StatusCode != 200 {
		os.Exit(3)
	}
}

func dial(network, address string) {
	c, err := net.DialTimeout(network, address, patience)
	if err == nil && network == "udp" {
		_, _ = c.Write([]byte("hello"))
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 100))
	}
	say(err)
}

func ask(server, name string) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: patience}).DialContext(ctx, network, server)
	}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	fmt.Println(r.LookupHost(ctx, name))
}

// past sends out of the one interface without asking the routing table.
func past(address string) {
	ip := net.ParseIP(address).To4()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err == nil {
		err = syscall.BindToDevice(fd, "eth0")
	}
	if err == nil {
		err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_DONTROUTE, 1)
	}
	if err == nil {
		err = syscall.Sendto(fd, []byte("x"), syscall.MSG_DONTROUTE, &syscall.SockaddrInet4{Port: 9, Addr: [4]byte{ip[0], ip[1], ip[2], ip[3]}})
	}
	say(err)
}

func who() {
	fmt.Println("uid", os.Getuid(), "gid", os.Getgid())
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "Cap") || strings.HasPrefix(line, "NoNewPrivs") || strings.HasPrefix(line, "Seccomp:") {
			fmt.Println(line)
		}
	}
	if _, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0); err == nil {
		fmt.Println("packet socket open")
	}
	if err := syscall.Unshare(syscall.CLONE_NEWUSER); err == nil {
		fmt.Println("user namespace open")
	}
	if err := syscall.Setuid(0); err == nil {
		fmt.Println("root open")
	}
}

func main() {
	a := append(os.Args[1:], "", "", "")
	switch a[0] {
	case "get":
		get(a[1])
	case "dial":
		dial(a[1], a[2])
	case "ask":
		ask(a[1], a[2])
	case "past":
		past(a[1])
	case "who":
		who()
	default:
		os.Exit(2)
	}
}
