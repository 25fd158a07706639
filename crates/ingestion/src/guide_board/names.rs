//! Spellings of keys.
//!
//! A key may be `snake_case`, `camelCase` or `kebab-case`. It is brought into `snake_case` once,
//! where an object is searched, and nowhere else.

/// A key in `snake_case`. Acronyms stay together: `runID` is `run_id`.
pub(super) fn snake_case(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    let mut name = String::with_capacity(key.len() + 4);
    for (index, &letter) in letters.iter().enumerate() {
        if letter == '-' {
            name.push('_');
        } else if letter.is_ascii_uppercase() {
            let before = index.checked_sub(1).and_then(|i| letters.get(i));
            let after = letters.get(index + 1);
            let starts_word = before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                || before.is_some_and(char::is_ascii_uppercase)
                    && after.is_some_and(char::is_ascii_lowercase);
            if starts_word {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        } else {
            name.push(letter);
        }
    }
    name
}

/// The three accepted spellings of a `snake_case` name, for messages.
pub(super) fn spellings(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else if upper {
            camel.push(letter.to_ascii_uppercase());
            upper = false;
        } else {
            camel.push(letter);
        }
    }
    format!("`{name}`, `{camel}` or `{}`", name.replace('_', "-"))
}
