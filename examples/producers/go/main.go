// Reports a boot and a heartbeat of each node named: go run . NODE...
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Telemetry is the value of a record; fields that are absent are left out.
type Telemetry struct {
	NodeID            string `json:"nodeId"`
	ObservedAt        string `json:"observedAt"`
	LastShutdownClean bool   `json:"lastShutdownClean"`
	BootID            string `json:"bootId,omitempty"`
	Kind              string `json:"kind,omitempty"`
}

func setting(name, otherwise string) string {
	if value, found := os.LookupEnv(name); found {
		return value
	}
	return otherwise
}

func main() {
	// franz-go's default partitioner hashes keys with murmur2, as Java does, and its default producer is idempotent.
	client, err := kgo.NewClient(
		kgo.SeedBrokers(setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")),
		kgo.DefaultProduceTopic(setting("KORDON_KAFKA_PREFIX", "kordon.")+"node.telemetry.v1"),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()),
		kgo.RecordDeliveryTimeout(30*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for _, node := range os.Args[1:] {
		boot := rand.Text()
		for _, kind := range []string{"boot", "heartbeat"} {
			value, err := json.Marshal(Telemetry{
				NodeID:            node,
				ObservedAt:        time.Now().UTC().Format(time.RFC3339Nano),
				LastShutdownClean: true,
				BootID:            boot,
				Kind:              kind,
			})
			if err != nil {
				log.Fatal(err)
			}
			// The key is the node id, always: a record whose key is another is rejected.
			record := &kgo.Record{Key: []byte(node), Value: value}
			sent, err := client.ProduceSync(context.Background(), record).First()
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%s %s partition=%d offset=%d\n", node, kind, sent.Partition, sent.Offset)
		}
	}
}
