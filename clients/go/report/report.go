// Package report is what every client here has in common: the streams come as arguments, and what is told goes out as a line of
// JSON each.
package report

import (
	"encoding/json"
	"os"
	"sync"
)

// Tell reports one event of a stream. Blocks without data, which some clients tell of, are no events.
type Tell func(event, data string)

// Follow calls run for every stream, each in a goroutine of its own.
func Follow(run func(url string, tell Tell)) {
	var lock sync.Mutex
	out := json.NewEncoder(os.Stdout)
	for stream, url := range os.Args[1:] {
		go run(url, func(event, data string) {
			if data == "" {
				return
			}
			if event == "" {
				event = "message"
			}
			lock.Lock()
			defer lock.Unlock()
			// Nobody listens any more: this program is about to be ended.
			_ = out.Encode([]any{stream, event, data})
		})
	}
	select {}
}
