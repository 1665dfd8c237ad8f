// r3labs/sse as its README shows it: Subscribe comes back by itself after an error, and returns at a clean end.
package main

import (
	"log"

	"github.com/fanfare-sse/fanfare/clients/go/report"
	"github.com/r3labs/sse/v2"
)

func main() {
	report.Follow(func(url string, tell report.Tell) {
		err := sse.NewClient(url).SubscribeRaw(func(event *sse.Event) { tell(string(event.Event), string(event.Data)) })
		log.Printf("%s: the end: %v", url, err)
	})
}
