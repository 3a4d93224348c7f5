// The host alone, to know what it pulls in.
package main

import (
	"fmt"

	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	io := socket.NewServer(nil, nil)
	fmt.Println(io.Sockets().Name())
	io.Close(nil)
}
