//! Finds in a Rust source the paths that start at the crate's root, and says whether they stand in test code.

/// A path that names a module of the crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The first name after the root; `*` for a glob.
    pub(crate) module: String,
    /// Where, from 1.
    pub(crate) line: usize,
    /// Inside an item under `#[cfg(test)]`.
    pub(crate) in_test: bool,
}

/// What one source says.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Paths from the crate's root.
    pub(crate) references: Vec<Reference>,
    /// Names of `#[cfg(test)] mod name;`.
    pub(crate) test_files: Vec<String>,
    /// Paths through `super`, with the number of steps they climb above the file's own module.
    climbing: Vec<(usize, Reference)>,
}

impl Scan {
    /// Turns `super` paths that reach the crate's root from a file `depth` modules deep into references.
    pub(crate) fn resolve_supers(&mut self, depth: usize) {
        let reaching = self.climbing.drain(..).filter(|(steps, _)| *steps == depth);
        self.references.extend(reaching.map(|(_, reference)| reference));
        self.references.sort_by_key(|reference| reference.line);
    }
}

/// A word, `::`, or one other character; all else is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// Reads a source.
pub(crate) fn scan(source: &str) -> Scan {
    let tokens = tokens(source);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut scan = Scan::default();
    let mut depth = 0_usize;
    let mut modules = Vec::new(); // The brace depths at which inline modules began.
    let mut test_until = 0; // Tokens before this one are test code.
    for at in 0..tokens.len() {
        match text(at) {
            "{" => {
                if at >= 2 && text(at - 2) == "mod" {
                    modules.push(depth);
                }
                depth += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                if modules.last() == Some(&depth) {
                    modules.pop();
                }
            }
            "#" if is_cfg_test(&tokens, at) => {
                let end = item_end(&tokens, at);
                test_until = test_until.max(end);
                if end >= 3 && text(end - 1) == ";" && text(end - 3) == "mod" {
                    scan.test_files.push(text(end - 2).to_owned());
                }
            }
            "crate" if text(at + 1) == "::" => {
                scan.references.extend(first_names(&tokens, at + 2, at < test_until));
            }
            "super" if at < 2 || text(at - 1) != "::" || text(at - 2) != "super" => {
                let steps = (0..).take_while(|step| text(at + 2 * step) == "super").count();
                if text(at + 2 * steps - 1) == "::" && steps > modules.len() {
                    let names = first_names(&tokens, at + 2 * steps, at < test_until);
                    scan.climbing.extend(names.into_iter().map(|name| (steps - modules.len(), name)));
                }
            }
            _ => {}
        }
    }
    scan
}

/// The names that may follow a path's `::`: one, or the first of each member of a group.
fn first_names(tokens: &[Token], at: usize, in_test: bool) -> Vec<Reference> {
    let reference = |token: &Token| Reference { module: token.text.clone(), line: token.line, in_test };
    let Some(first) = tokens.get(at) else { return Vec::new() };
    if first.text != "{" {
        return vec![reference(first)];
    }
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut starts = false;
    for token in tokens.iter().skip(at) {
        match token.text.as_str() {
            "{" => {
                depth += 1;
                starts = depth == 1;
            }
            "}" if depth <= 1 => break,
            "}" => depth -= 1,
            "," => starts = depth == 1,
            _ if starts => {
                names.push(reference(token));
                starts = false;
            }
            _ => {}
        }
    }
    names
}

/// Is this `#` the start of a `#[cfg(...)]` that holds only when testing?
fn is_cfg_test(tokens: &[Token], at: usize) -> bool {
    let words: Vec<_> =
        tokens.iter().skip(at).map(|token| token.text.as_str()).take_while(|text| *text != "]").collect();
    words.starts_with(&["#", "[", "cfg", "("])
        && words.contains(&"test")
        && !words.contains(&"not")
        && !words.contains(&"any")
}

/// The index after the item that starts, with its attributes, at `at`.
fn item_end(tokens: &[Token], at: usize) -> usize {
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            opening @ ("{" | "(" | "[") => open.push(opening),
            "}" => {
                open.pop();
                // A closed brace ends an item, except in `use a::{b, c};`.
                if open.is_empty() && tokens.get(index + 1).is_none_or(|next| next.text != ";") {
                    return index + 1;
                }
            }
            ")" | "]" => {
                open.pop();
            }
            ";" if open.is_empty() => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Cuts a source into words and signs, without comments, strings, characters and lifetimes.
fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(rest.len());
        let (len, is_token) = match first {
            _ if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            _ if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (string(rest), false),
            '\'' => (character_or_lifetime(rest), false),
            'r' | 'b' | 'c' if prefixed_string(rest).is_some() => (prefixed_string(rest).unwrap_or(1), false),
            _ if rest.starts_with("::") => (2, true),
            _ if word > 0 => (word, true),
            _ => (first.len_utf8(), !first.is_whitespace()),
        };
        let (taken, after) = rest.split_at(len);
        if is_token {
            tokens.push(Token { text: taken.to_owned(), line });
        }
        line += taken.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string that starts with its quote.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a string with a prefix, raw or not; `None` if this is a word or a raw identifier.
fn prefixed_string(text: &str) -> Option<usize> {
    let body = text.trim_start_matches(['r', 'b', 'c']);
    let prefix = text.len() - body.len();
    if prefix > 2 {
        return None;
    }
    let opening = body.trim_start_matches('#');
    let hashes = body.len() - opening.len();
    if !opening.starts_with('"') || (hashes > 0 && !text[..prefix].contains('r')) {
        return None;
    }
    if !text[..prefix].contains('r') {
        return Some(prefix + string(body));
    }
    let closing = format!("\"{}", "#".repeat(hashes));
    let end = opening[1..].find(&closing).map_or(opening.len(), |at| 1 + at + closing.len());
    Some(prefix + hashes + end)
}

/// The length of `'a'`, `'\n'` or `'static`.
fn character_or_lifetime(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match (letters.next(), letters.next()) {
        (Some((_, '\\')), Some(_)) => letters.find(|(_, letter)| *letter == '\'').map_or(text.len(), |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}
