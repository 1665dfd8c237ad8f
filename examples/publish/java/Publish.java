// mvn dependency:copy-dependencies -DoutputDirectory=lib
// java -cp 'lib/*' Publish.java CHANNEL DATA
import java.util.List;
import redis.clients.jedis.RedisClient;

class Publish {
    public static void main(String[] words) {
        try (RedisClient client = RedisClient.create(System.getenv().getOrDefault("REDIS_URL", "redis://127.0.0.1:6379"))) {
            List<String> keys = List.of("sse:" + words[0]), arguments = List.of("DATA", words[1], "EVENT", "created", "MAXLEN", "1000");
            System.out.println(client.fcall("sse_publish", keys, arguments));
        }
    }
}
