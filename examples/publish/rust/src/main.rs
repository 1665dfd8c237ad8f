// cargo run -- CHANNEL DATA
fn main() -> redis::RedisResult<()> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let words: Vec<String> = std::env::args().collect();
    let (key, data) = (format!("sse:{}", words[1]), &words[2]);
    let event = ["sse_publish", "1", &key, "DATA", data, "EVENT", "created", "MAXLEN", "1000"];
    let id: String = redis::cmd("FCALL").arg(&event).query(&mut redis::Client::open(url)?.get_connection()?)?;
    println!("{id}");
    Ok(())
}
