//! Front matter: `key: value` lines between two lines of `---`, then the text.

/// The values of `keys`, in their order, and the text after the front matter. Every key must be there, and no other.
pub(super) fn split<'a, const N: usize>(
    text: &'a str,
    keys: [&str; N],
) -> Result<([String; N], &'a str), String> {
    let (front, body) = text
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---\n"))
        .ok_or("it must begin with front matter between two lines of `---`")?;
    let mut values = keys.map(|_| None);
    for line in front.lines().filter(|line| !line.trim().is_empty()) {
        let (key, value) =
            line.split_once(':').ok_or_else(|| format!("front matter: `{line}` is not `key: value`"))?;
        let place = keys.iter().position(|known| *known == key.trim()).ok_or_else(|| {
            format!("front matter: unknown key `{}`; known are {}", key.trim(), keys.join(", "))
        })?;
        values[place] = Some(value.trim().to_owned());
    }
    let mut missing = keys.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(key, _)| *key);
    if let Some(key) = missing.next() {
        return Err(format!("front matter: `{key}` is missing"));
    }
    Ok((values.map(Option::unwrap_or_default), body.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_the_order_of_the_keys() {
        let (values, body) = split("---\nb: 2: two\na: 1\n---\nText\n", ["a", "b"]).expect("valid");
        assert_eq!((values, body), (["1".to_owned(), "2: two".to_owned()], "Text"));
    }

    #[test]
    fn faults_are_said() {
        let fault = |text| split(text, ["title"]).expect_err("a fault");
        assert_eq!(fault("Text"), "it must begin with front matter between two lines of `---`");
        assert_eq!(fault("---\ntitel: x\n---\n"), "front matter: unknown key `titel`; known are title");
        assert_eq!(fault("---\n\n---\n"), "front matter: `title` is missing");
    }
}
