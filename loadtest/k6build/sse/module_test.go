package sse

import (
	"context"
	"errors"
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
