# gem install redis
# ruby publish.rb CHANNEL DATA
require "redis"

client = Redis.new(url: ENV.fetch("REDIS_URL", "redis://127.0.0.1:6379"))
channel, data = ARGV
puts client.call("FCALL", "sse_publish", 1, "sse:#{channel}", "DATA", data, "EVENT", "created", "MAXLEN", 1000)
