// cargo run -- CHANNEL DATA
use std::env;

fn main() -> redis::RedisResult<()> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let mut client = redis::Client::open(url)?.get_connection()?;
    let words: Vec<String> = env::args().skip(1).collect();
    let [channel, data] = words.as_slice() else { panic!("CHANNEL DATA") };
    let mut publish = redis::cmd("FCALL");
    publish.arg("sse_publish").arg(1).arg(format!("sse:{channel}")).arg("DATA").arg(data).arg("EVENT").arg("created").arg("MAXLEN").arg(1000);
    println!("{}", publish.query::<String>(&mut client)?);
    Ok(())
}
