//! Writes a document as mail likes it: fields in order, lines of at most 76 characters.

use data_encoding::BASE64;

/// The longest line that no mail program breaks (ENR-9).
const MAX_LINE: usize = 76;

/// Characters of base64 a line.
const BASE64_LINE: usize = 64;

/// A JSON object in the making.
pub(super) struct Writer(String);

impl Writer {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// Starts a field. The value goes on the same line if it fits there.
    fn field(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.push_str(if self.0.len() == 1 { "\n" } else { ",\n" });
        let start = format!(" \"{name}\":");
        let fits = start.chars().count() + value.chars().count() + 2 <= MAX_LINE;
        self.0.push_str(&start);
        self.0.push_str(if fits { " " } else { "\n  " });
        self.0.push_str(value);
        self
    }

    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.field(name, &serde_json::Value::from(value).to_string())
    }

    pub(super) fn numbers(&mut self, name: &str, values: &[u16]) -> &mut Self {
        let values: Vec<String> = values.iter().map(u16::to_string).collect();
        self.field(name, &format!("[{}]", values.join(", ")))
    }

    /// A few bytes as one string of base64.
    pub(super) fn bytes(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        self.text(name, &BASE64.encode(bytes))
    }

    /// Many bytes as a list of lines of base64.
    pub(super) fn lines(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        let mut lines = String::new();
        for line in bytes.chunks(BASE64_LINE / 4 * 3) {
            lines.push_str(if lines.is_empty() { "\n  \"" } else { ",\n  \"" });
            lines.push_str(&BASE64.encode(line));
            lines.push('"');
        }
        self.field(name, "[");
        self.0.push_str(&lines);
        self.0.push(']');
        self
    }

    pub(super) fn finish(&mut self) -> String {
        self.0.push_str("\n}\n");
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_its_fields_in_order_and_one_look() {
        let long = "word ".repeat(14) + "w";
        let json = Writer::new()
            .text("name", "Zoë")
            .numbers("suites", &[2, 1])
            .text("fingerprint", &long)
            .bytes("id", &[0, 1, 2])
            .lines("key", &[0; 60])
            .lines("none", &[])
            .finish();
        let expected = format!(
            "{{\n \"name\": \"Zoë\",\n \"suites\": [2, 1],\n \"fingerprint\":\n  \"{long}\",\n \"id\": \"AAEC\",\n \
             \"key\": [\n  \"{}\",\n  \"{}\"],\n \"none\": []\n}}\n",
            "A".repeat(64),
            "A".repeat(16)
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn the_longest_texts_stay_within_a_line() {
        let words = ["abstract"; 8].join(" ");
        let name = "ß".repeat(64);
        let json = Writer::new().text("fingerprint", &words).text("serverName", &name).finish();
        assert!(json.lines().all(|line| line.chars().count() <= MAX_LINE), "{json}");
    }
}
