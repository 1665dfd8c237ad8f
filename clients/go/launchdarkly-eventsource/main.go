// launchdarkly/eventsource comes back by itself. By default it does not when its first request fails.
package main

import (
	"log"

	"github.com/fanfare-sse/fanfare/clients/go/report"
	"github.com/launchdarkly/eventsource"
)

func main() {
	report.Follow(func(url string, tell report.Tell) {
		stream, err := eventsource.SubscribeWithURL(url,
			eventsource.StreamOptionCanRetryFirstConnection(-1),
			eventsource.StreamOptionErrorHandler(func(error) (result eventsource.StreamErrorHandlerResult) { return }))
		if err != nil {
			log.Fatal(err)
		}
		for event := range stream.Events {
			tell(event.Event(), event.Data())
		}
	})
}
