//! As much of S3 as it takes to serve one object: a bucket whose listing tells when the object came into it, while the
//! object itself tells the time of the file.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

const KEY: &str = "people/alice/a";
const CONTENT: &str = "content";
/// When the object came into the bucket, as a listing and as the object itself tell it.
const LISTED: &str = "2026-01-02T03:04:05.678Z";
const STORED: &str = "Fri, 02 Jan 2026 03:04:05 GMT";
/// The time of the file, in seconds since 1970.
const MTIME: &str = "1700000000.5";

/// Answers for as long as the tests run. What is behind this address has the bucket `bucket`.
pub(crate) fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        listener.incoming().flatten().for_each(|client| drop(thread::spawn(move || answer(&client))))
    });
    addr
}

/// One request a connection.
fn answer(mut client: &TcpStream) {
    let mut lines = BufReader::new(client).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let (object, whole) = (format!("/bucket/{KEY}"), CONTENT.len());
    let about = format!("ETag: \"1\"\r\nLast-Modified: {STORED}\r\nx-amz-meta-mtime: {MTIME}\r\n");
    let (status, about, body) = match request.split(' ').collect::<Vec<_>>()[..] {
        ["HEAD", path, _] if path == object => ("200 OK", format!("{about}Content-Length: {whole}\r\n"), String::new()),
        ["GET", path, _] if path == object => {
            let range = headers.iter().find_map(|line| range(line)).unwrap_or(0..whole);
            let told = format!("Content-Range: bytes {}-{}/{whole}\r\n", range.start, range.end - 1);
            let length = format!("Content-Length: {}\r\n", range.len());
            ("206 Partial Content", about + &told + &length, CONTENT[range].to_owned())
        }
        ["GET", path, _] if path.starts_with("/bucket?") && path.contains("prefix=people%2Falice%2F") => {
            let list = format!(
                "<ListBucketResult><Contents><Key>{KEY}</Key><LastModified>{LISTED}</LastModified><ETag>\"1\"</ETag>\
                 <Size>{whole}</Size></Contents></ListBucketResult>"
            );
            ("200 OK", format!("Content-Length: {}\r\n", list.len()), list)
        }
        _ => ("404 Not Found", "Content-Length: 0\r\n".to_owned(), String::new()),
    };
    // Who has gone meanwhile needs no answer.
    let _ = client.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n{about}\r\n{body}").as_bytes());
}

fn range(header: &str) -> Option<std::ops::Range<usize>> {
    let header = header.to_lowercase();
    let (from, to) = header.strip_prefix("range: bytes=")?.split_once('-')?;
    Some(from.parse().ok()?..to.parse::<usize>().ok()? + 1)
}
