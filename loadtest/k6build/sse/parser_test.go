package sse

import (
	"strings"
	"testing"
)

func read(t *testing.T, stream string) ([]Event, *parser) {
	t.Helper()
	p := newParser(strings.NewReader(stream), "")
	var events []Event
	for {
		event, err := p.next()
		if err != nil {
			return events, p
		}
		events = append(events, *event)
	}
}

func TestAPrimingBlockMovesThePositionAndDispatchesNothing(t *testing.T) {
	events, p := read(t, "retry: 1500\nid: 7-0\n\n:\n\n")
	if len(events) != 0 || p.lastEventID != "7-0" || p.retryMs != 1500 {
		t.Fatalf("events %v, position %q, retry %d", events, p.lastEventID, p.retryMs)
	}
}

func TestABlockWithoutAnIDKeepsTheFormerPosition(t *testing.T) {
	events, _ := read(t, "id: 7-0\ndata: a\ndata:  b\n\nevent: e\ndata: c\n\n")
	want := []Event{{ID: "7-0", Name: "message", Data: "a\n b"}, {ID: "7-0", Name: "e", Data: "c"}}
	if len(events) != 2 || events[0] != want[0] || events[1] != want[1] {
		t.Fatalf("got %v, want %v", events, want)
	}
}

func TestAnIncompleteBlockIsThrownAwayWithItsPosition(t *testing.T) {
	events, p := read(t, "id: 7-0\ndata: a\n\nid: 8-0\ndata: half")
	if len(events) != 1 || p.lastEventID != "7-0" {
		t.Fatalf("events %v, position %q", events, p.lastEventID)
	}
}
