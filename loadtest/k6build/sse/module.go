// Package sse is the k6 module `k6/x/sse`: a client for Server-Sent Events that a load script drives.
//
//	import sse from 'k6/x/sse';
//	const end = sse.open(url, { headers: {}, seconds: 10 }, (client, event) => { client.close(); });
//	// end.status, end.lastEventId, end.retryMs, end.events, end.primedAt, end.timedOut, end.error, end.body
//	const now = sse.now(); // the clock of event.at and end.primedAt
//
// `open` returns when the script closes the connection, the server ends the stream, or the time is up.
// Closing cuts the TCP connection at once, like a phone that leaves the network: nothing is said to the server.
package sse

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/grafana/sobek"
	"go.k6.io/k6/js/common"
	"go.k6.io/k6/js/modules"
	"go.k6.io/k6/lib"
	"go.k6.io/k6/metrics"
)

// bodyBytes is how much of a refusal is kept: enough for a problem document.
const bodyBytes = 2048

func init() {
	modules.Register("k6/x/sse", new(rootModule))
}

type rootModule struct{}

type module struct {
	vu modules.VU
	// connecting is the time from the request to the response head.
	connecting *metrics.Metric
}

// NewModuleInstance makes the module of one virtual user.
func (*rootModule) NewModuleInstance(vu modules.VU) modules.Instance {
	connecting, err := vu.InitEnv().Registry.NewMetric("sse_connecting", metrics.Trend, metrics.Time)
	if err != nil {
		common.Throw(vu.Runtime(), err)
	}
	return &module{vu: vu, connecting: connecting}
}

// Exports says what a script imports.
func (m *module) Exports() modules.Exports {
	return modules.Exports{Default: map[string]any{"open": m.Open, "now": now}}
}

// now is the time in milliseconds since 1970, with microseconds behind the point.
func now() float64 {
	return float64(time.Now().UnixMicro()) / 1000
}

// Params are the second argument of open.
type Params struct {
	Headers map[string]string `js:"headers"`
	// Seconds bounds the connection; 0 means until the script or the server ends it.
	Seconds float64 `js:"seconds"`
	// LastEventID resumes: it is sent as the Last-Event-ID header, as a browser does.
	LastEventID string `js:"lastEventId"`
	// HTTP2 asks for HTTP/2 and takes nothing else: by ALPN over TLS, with prior knowledge in cleartext.
	HTTP2 bool `js:"http2"`
}

// Client is what the callback uses to end the connection.
type Client struct {
	// PrimedAt is when the first position of this connection arrived (see End).
	PrimedAt float64 `js:"primedAt"`
	cancel   context.CancelFunc
	closed   bool
}

// Close cuts the connection. No further event is handed to the callback.
func (c *Client) Close() {
	c.closed = true
	c.cancel()
}

// End says how a connection went.
type End struct {
	// Status is 0 when there was no response.
	Status      int    `js:"status"`
	LastEventID string `js:"lastEventId"`
	RetryMs     int64  `js:"retryMs"`
	Events      int64  `js:"events"`
	// PrimedAt is when the first `id:` of this connection arrived, by the clock of `now`; 0 if none did, and in a body
	// whose length is known: that is a polite refusal, which tells the client its own place.
	PrimedAt float64 `js:"primedAt"`
	// Error is empty when the script or the server ended the stream in an orderly way.
	Error    string `js:"error"`
	TimedOut bool   `js:"timedOut"`
	// Body is what a status other than 200 came with, at most 2 KiB of it.
	Body string `js:"body"`
}

// Open subscribes and calls onEvent(client, event) for each event, on the goroutine of the virtual user.
func (m *module) Open(url string, params Params, onEvent sobek.Callable) (*End, error) {
	state := m.vu.State()
	if state == nil {
		return nil, errors.New("sse.open cannot be called in the init stage")
	}
	ctx, cancel := context.WithCancel(m.vu.Context())
	defer cancel()
	if params.Seconds > 0 {
		var expire context.CancelFunc
		ctx, expire = context.WithTimeout(ctx, time.Duration(params.Seconds*float64(time.Second)))
		defer expire()
	}

	transport := newTransport(state.Dialer.DialContext, state.TLSConfig, params.HTTP2)
	end := &End{LastEventID: params.LastEventID}
	started := time.Now()
	response, err := request(ctx, transport, url, params)
	if err != nil {
		end.fail(ctx, false, err)
		return end, nil
	}
	defer func() { _ = response.Body.Close() }()
	end.Status = response.StatusCode
	m.sample(state, m.connecting, metrics.D(time.Since(started)))
	if response.StatusCode != http.StatusOK {
		// A refusal that breaks off is still a refusal.
		body, _ := io.ReadAll(io.LimitReader(response.Body, bodyBytes))
		end.Body = string(body)
		return end, nil
	}
	return end, m.read(ctx, response, &Client{cancel: cancel}, params, end, onEvent)
}

type dial func(ctx context.Context, network, address string) (net.Conn, error)

// newTransport makes the transport of one connection: a virtual user shares none with others, also over HTTP/2.
func newTransport(dial dial, config *tls.Config, http2 bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	protocols.SetUnencryptedHTTP2(http2)
	// The transport writes protocols into it, and virtual users may share it.
	if config != nil {
		config = config.Clone()
		config.NextProtos = nil
	}
	return &http.Transport{DialContext: dial, TLSClientConfig: config, DisableKeepAlives: true, Protocols: protocols}
}

func request(ctx context.Context, transport *http.Transport, url string, params Params) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/event-stream")
	for name, value := range params.Headers {
		request.Header.Set(name, value)
	}
	if params.LastEventID != "" {
		request.Header.Set("Last-Event-ID", params.LastEventID)
	}
	return (&http.Client{Transport: transport}).Do(request)
}

func (m *module) read(
	ctx context.Context, response *http.Response, client *Client, params Params, end *End, onEvent sobek.Callable,
) error {
	runtime, stream := m.vu.Runtime(), newParser(response.Body, params.LastEventID)
	handle := runtime.ToValue(client)
	if response.ContentLength < 0 {
		stream.onPlace = func() { end.PrimedAt, client.PrimedAt = now(), now() }
	}
	for {
		event, err := stream.next()
		end.LastEventID, end.RetryMs = stream.lastEventID, stream.retryMs
		if err != nil {
			end.fail(ctx, client.closed, err)
			return nil
		}
		event.At = now()
		end.Events++
		if _, err := onEvent(sobek.Undefined(), handle, runtime.ToValue(event)); err != nil {
			return err
		}
		if client.closed {
			return nil
		}
	}
}

// fail says why a stream ended, unless it ended in an orderly way.
func (e *End) fail(ctx context.Context, closed bool, err error) {
	switch {
	case closed || errors.Is(err, io.EOF):
	case isOver(ctx):
		e.TimedOut = true
	default:
		e.Error = err.Error()
	}
}

// isOver says whether the time is up. A dial has the same deadline with a timer of its own, which may fire first.
func isOver(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || limited && !time.Now().Before(deadline)
}

func (m *module) sample(state *lib.State, metric *metrics.Metric, value float64) {
	metrics.PushIfNotDone(m.vu.Context(), state.Samples, metrics.Sample{
		TimeSeries: metrics.TimeSeries{Metric: metric, Tags: state.Tags.GetCurrentValues().Tags},
		Time:       time.Now(),
		Value:      value,
	})
}
