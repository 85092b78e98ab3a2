//! The settings file that `init` writes: the manual, with every default as a comment, and what was chosen.

/// The manual with `chosen` settings in force and every other one commented out.
pub(crate) fn settings_file(manual: &str, chosen: &[(&str, String)]) -> String {
    let mut text = String::with_capacity(manual.len() + 256);
    let mut heading = false;
    for line in manual.lines() {
        heading |= line.starts_with('[');
        match line.split_once(" = ") {
            Some((key, _)) if !key.starts_with('#') => match chosen.iter().find(|(name, _)| *name == key && !heading) {
                Some((_, value)) => text.push_str(&format!("{key} = {value}")),
                None => text.push_str(&format!("# {line}")),
            },
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// A text as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
