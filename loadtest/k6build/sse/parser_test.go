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
	events, _ := read(t, "id: 6-0\n\ndata: a\ndata:  b\nid: 7-0\n\nevent: e\ndata: c\n\n")
	want := []Event{
		{From: "6-0", ID: "7-0", Name: "message", Data: "a\n b"},
		{From: "7-0", ID: "7-0", Name: "e", Data: "c"},
	}
	if len(events) != 2 || events[0] != want[0] || events[1] != want[1] {
		t.Fatalf("got %v, want %v", events, want)
	}
}

func TestAnIncompleteBlockIsThrownAwayWithItsPosition(t *testing.T) {
	for _, half := range []string{"id: 8-0\ndata: half", "data: half", "data: whole\nid: 8-0\n"} {
		events, p := read(t, "id: 7-0\ndata: a\n\n"+half)
		if len(events) != 1 || p.lastEventID != "7-0" {
			t.Fatalf("%q: events %v, position %q", half, events, p.lastEventID)
		}
	}
}

func TestThePlaceIsToldOnceWhenTheFirstBlockWithAnIDIsComplete(t *testing.T) {
	for stream, want := range map[string]int{
		"retry: 5000\n\n": 0,
		"id: 7-0\n":       0,
		"id: 7-0\n\n":     1,
		"id: 7-0\n\nid: 8-0\ndata: a\n\nid: 9-0\n\n": 1,
	} {
		p, places := newParser(strings.NewReader(stream), "6-0"), 0
		p.onPlace = func() { places++ }
		for {
			if _, err := p.next(); err != nil {
				break
			}
		}
		if places != want {
			t.Errorf("%q: told %d times, want %d", stream, places, want)
		}
	}
}

func TestALineMayBeLongerThanTheReadBuffer(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	events, _ := read(t, "data: "+long+"\r\ndata: y\r\n\r\n")
	if len(events) != 1 || events[0].Data != long+"\ny" {
		t.Fatalf("%d events", len(events))
	}
}
