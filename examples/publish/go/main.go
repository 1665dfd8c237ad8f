// go run . CHANNEL DATA
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/redis/go-redis/v9"
)

func main() {
	options, err := redis.ParseURL(cmp.Or(os.Getenv("REDIS_URL"), "redis://127.0.0.1:6379"))
	if err != nil {
		log.Fatal(err)
	}
	key, data := "sse:"+os.Args[1], os.Args[2]
	id, err := redis.NewClient(options).FCall(context.Background(), "sse_publish", []string{key}, "DATA", data, "EVENT", "created", "MAXLEN", 1000).Text()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(id)
}
