//! A server that passes for another product: some commands are replaced on their way to it.

use std::sync::Arc;

use redis::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::{Server, command};

/// What is sent in place of a command, whatever its arguments are.
type Replaced = (&'static str, &'static [&'static str]);

/// The URL of the server under a disguise. It lives as long as the test.
pub async fn disguised(server: &Server, replaced: impl Into<Vec<Replaced>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (target, replaced) = (server.port, Arc::new(replaced.into()));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
            let ((from_client, mut to_client), (mut from_server, to_server)) =
                (client.into_split(), server.into_split());
            let replaced: Arc<Vec<Replaced>> = Arc::clone(&replaced);
            tokio::spawn(async move {
                tokio::select! {
                    _ = pass_on(from_client, to_server, &replaced) => {}
                    _ = copy(&mut from_server, &mut to_client) => {}
                }
            });
        }
    });
    format!("redis://127.0.0.1:{port}")
}

/// The server, saying this of itself.
pub async fn that_says(server: &Server, info: &str, more: &[Replaced]) -> String {
    server.run::<Value>(&["SET", "$test:info", info]).await;
    disguised(server, [&[("INFO", &["GET", "$test:info"][..])], more].concat()).await
}

async fn pass_on(from: OwnedReadHalf, mut to: OwnedWriteHalf, replaced: &[Replaced]) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    loop {
        let count = number(&mut from).await?;
        let mut words = Vec::new();
        for _ in 0..count {
            let mut word = vec![0; number(&mut from).await? + 2];
            from.read_exact(&mut word).await?;
            word.truncate(word.len() - 2);
            words.push(word);
        }
        let verb = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
        let packed = match replaced.iter().find(|(known, _)| *known == verb) {
            Some((_, words)) => command(words).get_packed_command(),
            None => {
                let mut command = redis::Cmd::new();
                for word in &words {
                    command.arg(&word[..]);
                }
                command.get_packed_command()
            }
        };
        to.write_all(&packed).await?;
    }
}

/// The number behind `*` or `$`.
async fn number(from: &mut BufReader<OwnedReadHalf>) -> std::io::Result<usize> {
    let mut line = String::new();
    match from.read_line(&mut line).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line[1..].trim().parse().unwrap()),
    }
}
