// dotnet run CHANNEL DATA
using StackExchange.Redis;

var url = new Uri(Environment.GetEnvironmentVariable("REDIS_URL") ?? "redis://127.0.0.1:6379");
using var client = await ConnectionMultiplexer.ConnectAsync(url.Authority);
var (channel, data) = (args[0], args[1]);
Console.WriteLine(await client.GetDatabase().ExecuteAsync("FCALL", "sse_publish", 1, $"sse:{channel}", "DATA", data, "EVENT", "created", "MAXLEN", 1000));
