package main

import (
	"net"
	"strconv"
)

// listen binds 127.0.0.1. A port that was asked for must be free; one that is
// only remembered may have been taken meanwhile, and then any will do.
func listen(asked, remembered int) (net.Listener, error) {
	if asked != 0 {
		return net.Listen("tcp4", loopback(asked))
	}
	if remembered != 0 {
		if l, err := net.Listen("tcp4", loopback(remembered)); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp4", loopback(0))
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
