package sse

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// Event is one dispatched event, as the WHATWG specification defines it.
type Event struct {
	// ID is the last event id at the time of dispatch: a block without an `id:` line keeps the former one.
	ID   string `js:"id"`
	Name string `js:"name"`
	Data string `js:"data"`
}

// parser reads a text/event-stream (WHATWG HTML, section 9.2.6 "Interpreting an event stream").
type parser struct {
	lines       *bufio.Reader
	lastEventID string
	retryMs     int64
	// pending is the id of the block under way; it counts once the block is complete.
	pending string
	name    string
	data    strings.Builder
	hasData bool
}

func newParser(stream io.Reader, lastEventID string) *parser {
	return &parser{lines: bufio.NewReader(stream), lastEventID: lastEventID, pending: lastEventID}
}

// next returns the next event that a browser would dispatch. Blocks without data only move the position.
// An incomplete block at the end of the stream is thrown away, as the specification wants it.
func (p *parser) next() (*Event, error) {
	for {
		line, err := p.lines.ReadString('\n')
		if err != nil {
			return nil, err
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if line != "" {
			p.field(line)
			continue
		}
		if event := p.dispatch(); event != nil {
			return event, nil
		}
	}
}

func (p *parser) field(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "id":
		if !strings.Contains(value, "\x00") {
			p.pending = value
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
	p.lastEventID = p.pending
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
	return &Event{ID: p.lastEventID, Name: name, Data: p.data.String()}
}
