//! A strict reading of JSON objects: every field once, none unknown except `x-...`, each of its type.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use data_encoding::BASE64;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::DocumentError;

/// The most versions or suites a list may name.
const MAX_NUMBERS: usize = 8;

/// One value. No `Debug`: it may be a secret.
pub(super) enum Value {
    Text(Zeroizing<String>),
    Number(u64),
    List(Vec<Value>),
    Object(Fields),
    /// Of a type that no field has.
    Other,
}

/// The fields of an object that were not yet asked for.
pub(super) struct Fields {
    fields: BTreeMap<String, Value>,
    duplicate: Option<String>,
}

impl Fields {
    /// Reads one object and nothing after it.
    pub(super) fn parse(text: &str) -> Result<Self, DocumentError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields.checked(),
            Ok(_) => Err(DocumentError::Syntax { line: 1, column: 1 }),
            Err(error) => Err(DocumentError::Syntax { line: error.line(), column: error.column() }),
        }
    }

    fn checked(self) -> Result<Self, DocumentError> {
        match self.duplicate {
            Some(name) => Err(DocumentError::DuplicateField(shown(&name))),
            None => Ok(self),
        }
    }

    fn take(&mut self, field: &'static str) -> Result<Value, DocumentError> {
        self.fields.remove(field).ok_or(DocumentError::Missing(field))
    }

    /// A string.
    pub(super) fn text(&mut self, field: &'static str) -> Result<Zeroizing<String>, DocumentError> {
        match self.take(field)? {
            Value::Text(text) => Ok(text),
            _ => Err(DocumentError::BadField { field, expected: "a text" }),
        }
    }

    /// A string whose white space means nothing, read by `read`.
    pub(super) fn token<T>(
        &mut self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, DocumentError> {
        let text = self.text(field)?;
        let token: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
        read(&token).ok_or(DocumentError::BadField { field, expected })
    }

    /// A string of words, spaced singly.
    pub(super) fn words(&mut self, field: &'static str) -> Result<String, DocumentError> {
        Ok(self.text(field)?.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Bytes of a known number, as one string of base64.
    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<Zeroizing<[u8; N]>, DocumentError> {
        let text = self.text(field)?;
        let bytes = unspaced(field, &text)?;
        let expected = "base64 of the right length";
        Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| DocumentError::BadField { field, expected })?))
    }

    /// Bytes as a list of lines of base64.
    pub(super) fn lines(&mut self, field: &'static str) -> Result<Vec<u8>, DocumentError> {
        let mut joined = String::new();
        for value in self.list(field)? {
            match value {
                Value::Text(text) => joined.push_str(&text),
                _ => return Err(DocumentError::BadField { field, expected: "a list of texts" }),
            }
        }
        Ok(std::mem::take(&mut *unspaced(field, &joined)?))
    }

    /// A list.
    pub(super) fn list(&mut self, field: &'static str) -> Result<Vec<Value>, DocumentError> {
        match self.take(field)? {
            Value::List(values) => Ok(values),
            _ => Err(DocumentError::BadField { field, expected: "a list" }),
        }
    }

    /// An object.
    pub(super) fn object(&mut self, field: &'static str) -> Result<Self, DocumentError> {
        self.take(field)?.object(field)
    }

    /// A whole number of 16 bits.
    pub(super) fn number(&mut self, field: &'static str) -> Result<u16, DocumentError> {
        self.take(field)?.number(field)
    }

    /// A list of 1 to 8 different numbers other than 0 (ENR-8).
    pub(super) fn numbers(&mut self, field: &'static str) -> Result<Vec<u16>, DocumentError> {
        let expected = "a list of 1 to 8 different numbers";
        let mut numbers = Vec::new();
        for value in self.list(field)? {
            let number = value.number(field)?;
            if number == 0 || numbers.contains(&number) || numbers.len() == MAX_NUMBERS {
                return Err(DocumentError::BadField { field, expected });
            }
            numbers.push(number);
        }
        if numbers.is_empty() { Err(DocumentError::BadField { field, expected }) } else { Ok(numbers) }
    }

    /// Only fields of the kind that everybody ignores may be left (ENR-6).
    pub(super) fn finish(self) -> Result<(), DocumentError> {
        match self.fields.keys().find(|name| !name.starts_with("x-")) {
            Some(name) => Err(DocumentError::UnknownField(shown(name))),
            None => Ok(()),
        }
    }
}

impl Value {
    pub(super) fn object(self, field: &'static str) -> Result<Fields, DocumentError> {
        match self {
            Self::Object(fields) => fields.checked(),
            _ => Err(DocumentError::BadField { field, expected: "an object" }),
        }
    }

    fn number(self, field: &'static str) -> Result<u16, DocumentError> {
        let expected = "a whole number up to 65535";
        match self {
            Self::Number(number) => number.try_into().map_err(|_| DocumentError::BadField { field, expected }),
            _ => Err(DocumentError::BadField { field, expected }),
        }
    }
}

/// Canonical base64 with white space anywhere in it.
fn unspaced(field: &'static str, text: &str) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    let digits: Zeroizing<Vec<u8>> = Zeroizing::new(text.bytes().filter(|b| !b.is_ascii_whitespace()).collect());
    canonical(&digits).ok_or(DocumentError::BadField { field, expected: "base64" })
}

/// Base64 in its only spelling: padded, and padded only at the end (the library also reads padded pieces in a row)
/// (ENR-7).
pub(super) fn canonical(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(BASE64.decode(digits).ok()?);
    let padded_within = digits.iter().rev().skip_while(|&&b| b == b'=').any(|&b| b == b'=');
    (!padded_within).then_some(bytes)
}

/// A name from outside, fit for a terminal and not long.
fn shown(name: &str) -> String {
    name.chars().take(32).flat_map(char::escape_default).collect()
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a json value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Fields { fields: BTreeMap::new(), duplicate: None };
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            match fields.fields.entry(name) {
                Entry::Vacant(free) => _ = free.insert(value),
                Entry::Occupied(taken) => fields.duplicate = Some(taken.key().clone()),
            }
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        Fields::parse(text).map_err(|error| format!("{error}: {text}")).expect("parses")
    }

    #[test]
    fn a_field_is_read_once_and_by_its_type() {
        let mut f = fields(r#"{"t":"a b","n":[2,1],"b":"AA EB\n","l":["AA","EC AwQ="],"x-later":{"any":[null,1.5]}}"#);
        assert_eq!(f.text("t").as_deref().map(String::as_str), Ok("a b"));
        assert_eq!(f.text("t"), Err(DocumentError::Missing("t")));
        assert_eq!(f.numbers("n"), Ok(vec![2, 1]));
        assert_eq!(f.array::<3>("b").as_deref(), Ok(&[0, 1, 1]));
        assert_eq!(f.lines("l"), Ok(vec![0, 1, 2, 3, 4]));
        assert_eq!(f.finish(), Ok(()));
    }

    #[test]
    fn what_is_not_exactly_a_document_is_refused() {
        let refused = |text: &str| Fields::parse(text).err().expect("refused");
        assert_eq!(refused(r#"{"a":1,"a":1}"#), DocumentError::DuplicateField("a".into()));
        assert_eq!(refused(r#"{"a":1,"\u0061":1}"#), DocumentError::DuplicateField("a".into()), "in disguise");
        assert_eq!(refused(r#"{"x-a":1,"x-a":1}"#), DocumentError::DuplicateField("x-a".into()));
        assert!(matches!(refused(r#"{"a":1} {}"#), DocumentError::Syntax { .. }));
        assert!(matches!(refused(r#"{"a":1,}"#), DocumentError::Syntax { .. }));
        assert!(matches!(refused(r#"[{"a":1}]"#), DocumentError::Syntax { .. }));
        assert!(matches!(refused(&"[".repeat(60_000)), DocumentError::Syntax { .. }), "without using up the stack");
        assert_eq!(
            fields("{\"\\u001b[2J\u{202e}\":1}").finish(),
            Err(DocumentError::UnknownField("\\u{1b}[2J\\u{202e}".into())),
            "escaped"
        );
    }

    // ENR-7.
    #[test]
    fn base64_has_one_spelling() {
        for bad in ["AAF=", "AAA", "AAA==", "AAB=", "AA-_", "A=AA", "AAAA====", "AAA=AAA="] {
            let mut f = fields(&format!(r#"{{"b":["{bad}"]}}"#));
            assert_eq!(f.lines("b"), Err(DocumentError::BadField { field: "b", expected: "base64" }), "{bad}");
        }
    }

    // ENR-8.
    #[test]
    fn a_list_of_numbers_is_short_distinct_and_whole() {
        assert_eq!(fields(r#"{"n":[1,2,3,4,5,6,7,65535]}"#).numbers("n").map(|n| n.len()), Ok(8));
        for bad in
            ["[]", "[0]", "[1,1]", "[65536]", "[-1]", "[1.0]", "[1e0]", "[\"1\"]", "[1,2,3,4,5,6,7,8,9]", "1", "null"]
        {
            assert!(fields(&format!(r#"{{"n":{bad}}}"#)).numbers("n").is_err(), "{bad}");
        }
    }
}
