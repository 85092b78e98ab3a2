//! Names of every kind that come from outside: of files, people, folders, machines.

use crate::enrol::{DisplayName, Endpoint, Host, Slug, Uid};
use crate::types::{PathError, SharePath};

/// The most names taken from one input, so that comparing each with each stays cheap.
const MAX_NAMES: usize = 8;

/// Reads each line as every kind of name there is. What is accepted obeys the rules, which are written down here once
/// more, and is the same if it is shown and read again.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert_eq!(SharePath::from_utf8(bytes), Err(PathError::NotUtf8));
        return;
    };
    let lines: Vec<&str> = text.split('\n').take(MAX_NAMES).collect();
    for line in &lines {
        display_name(line);
        slug(line);
        machine(line);
        if let Ok(uid) = line.parse::<Uid>() {
            assert_eq!((uid.as_str(), uid.as_str().len()), (*line, 36));
        }
    }
    let paths: Vec<SharePath> = lines.iter().filter_map(|line| share_path(line)).collect();
    for one in &paths {
        for other in &paths {
            compare(one, other);
        }
    }
}

// NAM-1, NAM-2.
fn share_path(text: &str) -> Option<SharePath> {
    let is_bidi = |c: char| "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}".contains(c);
    let is_isolate = |c: char| "\u{2066}\u{2067}\u{2068}\u{2069}".contains(c);
    let is_bad = |c: char| c.is_control() || "\\\u{2028}\u{2029}".contains(c) || is_bidi(c) || is_isolate(c);
    let is_part = |part: &str| (1..=255).contains(&part.len()) && part != "." && part != ".." && !part.contains(is_bad);
    let is_path = text.len() <= 1024 && text.split('/').count() <= 64 && text.split('/').all(is_part);
    let path = SharePath::parse(text).ok();
    assert_eq!(path.is_some(), is_path || text.is_empty(), "{text:?}");
    let path = path?;
    assert_eq!(path.to_string(), text);
    assert_eq!(path.parts().collect::<Vec<_>>().join("/"), text);
    let (parent, name) = (path.parent(), path.file_name());
    assert_eq!((parent.is_none(), name.is_none()), (path.is_root(), path.is_root()));
    if let (Some(parent), Some(name)) = (parent, name) {
        assert_eq!(parent.join(name).as_ref(), Ok(&path));
        assert!(parent < path && path.starts_with(&parent) && !parent.starts_with(&path));
    }
    Some(path)
}

fn compare(one: &SharePath, other: &SharePath) {
    assert_eq!(one.cmp(other), one.parts().cmp(other.parts()));
    assert_eq!(one.cmp(other).is_eq(), one == other);
    let front: Vec<&str> = one.parts().take(other.parts().count()).collect();
    assert_eq!(one.starts_with(other), front == other.parts().collect::<Vec<_>>());
}

// ENR-11.
fn display_name(text: &str) {
    let Ok(name) = text.parse::<DisplayName>() else { return };
    assert_eq!(name.as_str(), text);
    assert!((1..=DisplayName::MAX).contains(&text.chars().count()));
    assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), text, "what a mail may do to spaces is nothing");
    assert_eq!(serde_json::Value::from(text).to_string(), format!("\"{text}\""), "json has one spelling of it");
}

fn slug(text: &str) {
    let of_name = Slug::from_name(text);
    assert_eq!(Slug::from_name(of_name.as_str()), of_name, "what is a folder name stays one");
    for slug in [Some(of_name), Slug::parse(text).ok()].into_iter().flatten() {
        let folder = slug.as_str();
        assert_eq!(Slug::parse(folder).as_ref(), Ok(&slug));
        assert!((1..=Slug::MAX).contains(&folder.len()));
        assert!(folder.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b)));
        assert!(!folder.starts_with(['.', '-']) && !folder.ends_with('.'), "neither hidden nor an option");
        assert_eq!(SharePath::parse(folder).map(|path| path.parts().count()), Ok(1));
    }
}

// ENR-17.
fn machine(text: &str) {
    if let Ok(host) = text.parse::<Host>() {
        let shown = host.to_string();
        assert_eq!(shown.parse().as_ref(), Ok(&host));
        assert!(shown.len() <= 253 && shown.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-".contains(&b)));
        assert_eq!(shown, shown.to_ascii_lowercase());
        if let Host::Ip(ip) = host {
            // An IPv4 address in IPv6's clothes reaches what it reaches without them.
            let ip = ip.to_canonical();
            let is_broadcast = matches!(ip, std::net::IpAddr::V4(ip) if ip.is_broadcast());
            assert!(!ip.is_unspecified() && !ip.is_multicast() && !is_broadcast, "{ip}");
        }
        let endpoint = Endpoint::new(host, 9473).expect("a port");
        assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        assert_ne!(endpoint.port(), 0);
        assert_eq!(endpoint.to_string().parse().as_ref(), Ok(&endpoint));
        assert_eq!(endpoint.host().to_string().parse().as_ref(), Ok(endpoint.host()));
    }
}
