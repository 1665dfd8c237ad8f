// r3labs/sse in a loop, which opens anew after whatever end: the client keeps its place.
package main

import (
	"time"

	"github.com/fanfare-sse/fanfare/clients/go/report"
	"github.com/r3labs/sse/v2"
)

func main() {
	report.Follow(func(url string, tell report.Tell) {
		client := sse.NewClient(url)
		for {
			_ = client.SubscribeRaw(func(event *sse.Event) { tell(string(event.Event), string(event.Data)) })
			time.Sleep(time.Second)
		}
	})
}
