package sse

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
)

// maxLineBytes bounds one line, and maxDataBytes the data of one event. An event of 16 MiB, the most that a node can be
// configured to deliver, is at most three times as long on the wire (invalid bytes become U+FFFD).
const (
	maxLineBytes = 64 << 20
	maxDataBytes = 64 << 20
)

var errTooLong = errors.New("an event is longer than 64 MiB: this is not a Fanfare stream")

// Event is one dispatched event, as the WHATWG specification defines it.
type Event struct {
	// ID is the last event id at the time of dispatch: a block without an `id:` line keeps the former one.
	ID string `js:"id"`
	// From is the last event id before this block.
	From string `js:"from"`
	Name string `js:"name"`
	Data string `js:"data"`
	// At is when it was read, in milliseconds since 1970 by this machine's clock, with microseconds behind the point.
	At float64 `js:"at"`
}

// parser reads a text/event-stream (WHATWG HTML, section 9.2.6 "Interpreting an event stream"). Lines end in LF or
// CRLF, as Fanfare writes them; a lone CR is not taken for the end of a line.
type parser struct {
	lines       *bufio.Reader
	lastEventID string
	retryMs     int64
	// onPlace is called once, when a complete block has given the first position of this stream: from there on
	// nothing may be lost.
	onPlace func()
	placing bool
	// pending is the id of the block under way; it counts once the block is complete.
	pending string
	name    string
	data    strings.Builder
	hasData bool
}

func newParser(stream io.Reader, lastEventID string) *parser {
	return &parser{lines: bufio.NewReader(stream), lastEventID: lastEventID, pending: lastEventID, onPlace: func() {}}
}

// next returns the next event that a browser would dispatch. Blocks without data only move the position.
// An incomplete block at the end of the stream is thrown away, as the specification wants it.
func (p *parser) next() (*Event, error) {
	for {
		line, err := p.line()
		if err != nil {
			return nil, err
		}
		if line != "" {
			p.field(line)
			if p.data.Len() > maxDataBytes {
				return nil, errTooLong
			}
			continue
		}
		if event := p.dispatch(); event != nil {
			return event, nil
		}
	}
}

// line returns the next line without its end.
func (p *parser) line() (string, error) {
	part, err := p.lines.ReadSlice('\n')
	if err == nil {
		return trimEnd(string(part)), nil
	}
	var long []byte
	for errors.Is(err, bufio.ErrBufferFull) && len(long) <= maxLineBytes {
		long = append(long, part...)
		part, err = p.lines.ReadSlice('\n')
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errTooLong
	}
	return trimEnd(string(append(long, part...))), err
}

func trimEnd(line string) string {
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
}

func (p *parser) field(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "id":
		if !strings.Contains(value, "\x00") {
			p.pending, p.placing = value, true
		}
	case "event":
		p.name = value
	case "data":
		if p.hasData {
			p.data.WriteByte('\n')
		}
		p.hasData = true
		p.data.WriteString(value)
	case "retry":
		if ms, err := strconv.ParseInt(value, 10, 64); err == nil && ms >= 0 {
			p.retryMs = ms
		}
	}
}

func (p *parser) dispatch() *Event {
	from := p.lastEventID
	p.lastEventID = p.pending
	if p.placing {
		p.onPlace()
		p.onPlace = func() {}
	}
	defer func() {
		p.name, p.hasData = "", false
		p.data.Reset()
	}()
	if !p.hasData {
		return nil
	}
	name := p.name
	if name == "" {
		name = "message"
	}
	return &Event{ID: p.lastEventID, From: from, Name: name, Data: p.data.String()}
}
