// tmaxmax/go-sse comes back by itself after an end; a status is final for it.
package main

import (
	"log"
	"net/http"

	"github.com/fanfare-sse/fanfare/clients/go/report"
	"github.com/tmaxmax/go-sse"
)

func main() {
	report.Follow(func(url string, tell report.Tell) {
		request, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			log.Fatal(err)
		}
		connection := sse.NewConnection(request)
		connection.SubscribeToAll(func(event sse.Event) { tell(event.Type, event.Data) })
		log.Printf("%s: the end: %v", url, connection.Connect())
	})
}
