// Command k6 is the load tool k6 with a module that speaks Server-Sent Events (`k6/x/sse`, see package sse) and one
// that speaks Redis (`k6/x/redis`, of k6's own makers), for publishing.
//
// It is built from Go modules alone, pinned in go.mod and go.sum: a build needs nothing but Go.
package main

import (
	_ "github.com/grafana/xk6-redis"
	"go.k6.io/k6/cmd"

	_ "github.com/fanfare-sse/fanfare/loadtest/k6build/sse"
)

func main() {
	cmd.Execute()
}
