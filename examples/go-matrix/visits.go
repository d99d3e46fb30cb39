// Package visits counts visits of pages in Redis.
package visits

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Counter counts in a database. It is not safe for concurrent use.
type Counter struct {
	connection net.Conn
	reader     *bufio.Reader
}

// Open connects to the database at a Unix socket.
func Open(socket string) (*Counter, error) {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	return &Counter{connection, bufio.NewReader(connection)}, nil
}

// Close ends the connection.
func (c *Counter) Close() error { return c.connection.Close() }

// Visit counts a visit of a page and returns how many there have been.
func (c *Counter) Visit(page string) (int, error) {
	command := fmt.Sprintf("*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n", len(page), page)
	if _, err := c.connection.Write([]byte(command)); err != nil {
		return 0, err
	}
	line, err := c.reader.ReadString('\n')
	if err != nil {
		return 0, err
	}
	line = strings.TrimRight(line, "\r\n")
	if !strings.HasPrefix(line, ":") {
		return 0, fmt.Errorf("the database answered %q", line)
	}
	return strconv.Atoi(line[1:])
}
