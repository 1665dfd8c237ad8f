// Command k6 is the load tool k6 with a module that speaks Server-Sent Events (see package sse).
//
// It is built from Go modules alone, pinned in go.mod and go.sum: a build needs nothing but Go.
package main

import (
	"go.k6.io/k6/cmd"

	_ "github.com/fanfare-sse/fanfare/loadtest/k6build/sse"
)

func main() {
	cmd.Execute()
}
