// Only a place for the checksums of the Go toolchains that build.sh fetches (go.sum). Their version stands in build.sh.
module github.com/fanfare-sse/fanfare/loadtest/toolchain

go 1.19
