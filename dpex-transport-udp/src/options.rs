//! What `[transport-udp]` may say.

use serde::Deserialize;

/// Settings of the UDP socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// The system's send buffer in bytes; 0 leaves the system's default. A wish: the system may grant less.
    pub send_buffer: usize,
    /// The system's receive buffer in bytes; 0 leaves the system's default. A wish: the system may grant less.
    pub receive_buffer: usize,
}

impl Default for Options {
    fn default() -> Self {
        // About 20 ms at 800 Mbit/s: what may arrive while the receiving task waits for its turn.
        Self { send_buffer: 2 << 20, receive_buffer: 2 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_means_two_mebibytes_each_way() {
        let options: Options = serde_json::from_str("{}").expect("all fields have defaults");
        assert_eq!(options, Options::default());
        assert_eq!((options.send_buffer, options.receive_buffer), (2_097_152, 2_097_152));
    }

    #[test]
    fn names_are_kebab_case_and_one_may_be_given_without_the_other() {
        let options: Options = serde_json::from_str(r#"{"receive-buffer": 65536}"#).expect("a known key");
        assert_eq!((options.send_buffer, options.receive_buffer), (2_097_152, 65_536));
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let error = serde_json::from_str::<Options>(r#"{"recieve-buffer": 1}"#).expect_err("a misspelt key");
        assert!(error.to_string().contains("receive-buffer"), "{error}");
    }
}
