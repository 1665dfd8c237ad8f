use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::*;

const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const YES_AND_CLOSE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const LATER: &str = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n";

/// A server that gives these answers, each to one request, on a connection for each list of them; then it closes.
fn server(connections: &'static [&'static [&'static str]]) -> Http {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for answers in connections {
            let mut stream = listener.accept().unwrap().0;
            for answer in *answers {
                assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                stream.write_all(answer.as_bytes()).unwrap();
            }
            // A request that is not answered, or the end.
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    let publish = Publish::Http {
        address,
        method: "POST".to_owned(),
        path: "/{channel}".to_owned(),
        headers: Vec::new(),
        body: "{data}".to_owned(),
        connections: 1,
        pipeline: 1,
        create: None,
    };
    Http::connect(&publish, &Stage::new(false).unwrap()).unwrap()
}

fn publish(http: &mut Http, number: u64) -> Result<()> {
    http.publish(Event { channel: 0, number }, "a", b"data")
}

// Seen to fail when a 503 is a refusal, and when the connection that it came over is kept with its pending event.
#[test]
fn what_was_not_accepted_may_have_been_published_or_not() {
    let mut http = server(&[&[YES, LATER], &[YES], &[YES]]);
    publish(&mut http, 1).unwrap();
    assert!(publish(&mut http, 2).unwrap_err().is::<Broken>());
    assert_eq!(http.mend().unwrap().unknown, [Span { channel: 0, first: 2, last: 2 }]);
    publish(&mut http, 3).unwrap();
    let closed = publish(&mut http, 4).unwrap_err();
    assert!(closed.is::<Broken>() && format!("{closed:#}").contains("instead of answering"), "{closed:#}");
    assert_eq!(http.mend().unwrap().unknown, [Span { channel: 0, first: 4, last: 4 }]);
    publish(&mut http, 5).unwrap();
}

// Seen to fail when the next request goes out on the old connection.
#[test]
fn a_connection_that_is_closed_behind_an_answer_is_no_break() {
    let mut http = server(&[&[YES_AND_CLOSE], &[YES]]);
    publish(&mut http, 1).unwrap();
    publish(&mut http, 2).unwrap();
}

// Seen to fail when the text goes into the form as it is.
#[test]
fn a_form_gets_the_text_encoded_and_its_length() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, mut request) = (listener.accept().unwrap().0, String::new());
        while !request.ends_with("a%3Bb") {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "{request}");
            request.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        stream.write_all(YES.as_bytes()).unwrap();
        request
    });
    let publish = Publish::Http {
        address,
        method: "POST".to_owned(),
        path: "/hub".to_owned(),
        headers: Vec::new(),
        body: "topic={channel}&data={form}".to_owned(),
        connections: 1,
        pipeline: 1,
        create: None,
    };
    let mut http = Http::connect(&publish, &Stage::new(false).unwrap()).unwrap();
    http.publish(Event { channel: 0, number: 1 }, "news0", b"a;b").unwrap();
    let request = server.join().unwrap();
    assert!(request.ends_with("Content-Length: 22\r\n\r\ntopic=news0&data=a%3Bb"), "{request}");
}
