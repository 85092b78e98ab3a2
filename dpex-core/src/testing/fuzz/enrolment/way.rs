//! What happens to a text on its way through mail programs: things that must do no harm, and things that do.

/// How many harmless things there are.
pub(super) const WAYS: u8 = 14;
/// The most things that happen to one text.
const MOST: usize = 4;

/// The text after harmless things, each of which is two bytes: what, and how.
pub(super) fn harmless(text: &str, script: &[u8]) -> Vec<u8> {
    let mut text = text.to_owned();
    let (mut split, mut wide) = (false, false);
    let (steps, _) = script.as_chunks::<2>();
    for &[what, how] in steps.iter().take(MOST) {
        let lines = |change: &dyn Fn(&str) -> String| text.lines().map(change).collect::<String>();
        let how = usize::from(how);
        text = match what % WAYS {
            0 => text.replace("\r\n", "\n").replace('\n', "\r\n"),
            1 => lines(&|line| format!("> {line}\n")),
            2 => lines(&|line| format!(">{line}\n")),
            3 => lines(&|line| format!("{}{line}\n", " ".repeat(how % 9))),
            4 => text.replace(' ', "\u{a0}"),
            5 => lines(&|line| format!("{line}\n\n")),
            // Where a line was broken within a string, marks of quoting or more spaces would end up in the string.
            6 if !split => text.replace(['\r', '\n'], " "),
            7 => format!("Hi Bob,\n\nthis is {{my}} \"key\" :-{{\n\n{text}"),
            8 => format!("{text}\n-- \nAnna {{\"the\" one}} }}\n"),
            9 => format!("\u{feff}{text}"),
            10 => lines(&|line| format!("{line} \n")),
            11 => broken(&text, how),
            12 => text.replace("\n ", "\n\t"),
            13 => {
                wide = true;
                text
            }
            _ => text,
        };
        split |= matches!(what % WAYS, 1 | 2 | 11);
    }
    if !wide {
        return text.into_bytes();
    }
    // As some shells write what they redirect.
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// The text with a line break instead of one of its spaces.
fn broken(text: &str, which: usize) -> String {
    let spaces: Vec<usize> = text.match_indices(' ').map(|(at, _)| at).collect();
    let Some(&at) = spaces.get(which % spaces.len().max(1)) else { return text.to_owned() };
    let (front, rest) = text.split_at(at);
    format!("{front}\n{}", &rest[1..])
}

/// The text after harm, each of which is four bytes: what, where, and with which byte.
pub(super) fn damaged(text: &str, script: &[u8]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let (steps, _) = script.as_chunks::<4>();
    for &[what, high, low, byte] in steps.iter().take(4 * MOST) {
        let at = usize::from(u16::from_be_bytes([high, low])) % bytes.len().max(1);
        match what % 4 {
            0 if !bytes.is_empty() => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 if !bytes.is_empty() => _ = bytes.remove(at),
            _ => {
                let copy = bytes[at..bytes.len().min(at + usize::from(byte))].to_vec();
                bytes.extend(copy);
            }
        }
    }
    bytes
}
