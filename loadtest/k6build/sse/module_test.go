package sse

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// dialled is a context whose time is up, but whose timer has not fired yet.
type dialled struct {
	context.Context
	deadline time.Time
}

func (d dialled) Deadline() (time.Time, bool) { return d.deadline, true }

func TestACutBeforeTheResponseIsNoFailureWhicheverTimerFiresFirst(t *testing.T) {
	var end End
	end.fail(dialled{context.Background(), time.Now().Add(-time.Millisecond)}, false, os.ErrDeadlineExceeded)
	if !end.TimedOut || end.Error != "" {
		t.Fatalf("got %+v", end)
	}
}

func TestAnErrorBeforeTheTimeIsUpIsAFailure(t *testing.T) {
	var end End
	end.fail(dialled{context.Background(), time.Now().Add(time.Hour)}, false, errors.New("connection refused"))
	if end.TimedOut || end.Error != "connection refused" {
		t.Fatalf("got %+v", end)
	}
}

// serve starts a server that speaks both versions of HTTP and says which it was asked in.
func serve(t *testing.T, overTLS bool) string {
	answer := func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Proto", r.Proto) }
	server := httptest.NewUnstartedServer(http.HandlerFunc(answer))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetHTTP2(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.EnableHTTP2 = true
	if overTLS {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.URL
}

// Seen to fail when the transport chooses the version by itself, and when it speaks HTTP/2 over TLS only.
func TestTheVersionOfHTTPIsTheOneThatWasAskedFor(t *testing.T) {
	dialer := net.Dialer{}
	for _, overTLS := range []bool{false, true} {
		url := serve(t, overTLS)
		for http2, proto := range map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"} {
			// What k6 made of insecureSkipTLSVerify, with the protocols of its own client.
			config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}
			transport := newTransport(dialer.DialContext, config, http2)
			response, err := request(context.Background(), transport, url, Params{})
			if err != nil {
				t.Fatalf("TLS %v, HTTP/2 %v: %v", overTLS, http2, err)
			}
			_ = response.Body.Close()
			if got := response.Header.Get("Proto"); got != proto {
				t.Errorf("TLS %v, HTTP/2 %v: the server was asked in %s", overTLS, http2, got)
			}
		}
	}
}
