<?php
// apt-get install php-redis, or pecl install redis
// php publish.php CHANNEL DATA
$url = parse_url(getenv('REDIS_URL') ?: 'redis://127.0.0.1:6379');
$client = new Redis();
$client->connect($url['host'], $url['port'] ?? 6379);
[, $channel, $data] = $argv;
$id = $client->rawCommand('FCALL', 'sse_publish', 1, "sse:$channel", 'DATA', $data, 'EVENT', 'created', 'MAXLEN', 1000);
// A refusal is no exception here.
if ($id === false) throw new RuntimeException($client->getLastError());
echo $id, PHP_EOL;
