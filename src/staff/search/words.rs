//! Text as words, in any language: Unicode's word boundaries (UAX 29), lower-case, without accents. Chinese and Japanese, which
//! have no blanks, are cut into single characters; a query in them is a phrase.

use tantivy::tokenizer::{AsciiFoldingFilter, LowerCaser, TextAnalyzer, Token, TokenStream, Tokenizer};
use unicode_segmentation::UnicodeSegmentation;

/// The longest word that is indexed, in bytes; longer ones are nobody's search.
const MAX_WORD: usize = 200;

/// The analyzer of index and queries.
pub(super) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Words).filter(LowerCaser).filter(AsciiFoldingFilter).build()
}

/// The words of `text` with their places in it, in bytes.
pub(in crate::staff) fn words(text: &str) -> Vec<Token> {
    let mut analyzer = analyzer();
    let mut stream = analyzer.token_stream(text);
    let mut words = Vec::new();
    while stream.advance() {
        words.push(stream.token().clone());
    }
    words
}

#[derive(Clone, Debug, Default)]
struct Words;

struct Stream {
    tokens: std::vec::IntoIter<Token>,
    now: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = Stream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream {
        let mut tokens = Vec::new();
        for (at, word) in text.unicode_word_indices().filter(|(_, word)| word.len() <= MAX_WORD) {
            if word.chars().all(|c| ('\u{30A0}'..='\u{31FF}').contains(&c)) {
                tokens.extend(word.char_indices().map(|(n, c)| (at + n, c.len_utf8())));
            } else {
                tokens.push((at, word.len()));
            }
        }
        let tokens: Vec<Token> = tokens
            .into_iter()
            .enumerate()
            .map(|(position, (from, length))| Token {
                offset_from: from,
                offset_to: from + length,
                position,
                text: text[from..from + length].to_owned(),
                position_length: 1,
            })
            .collect();
        Stream { tokens: tokens.into_iter(), now: Token::default() }
    }
}

impl TokenStream for Stream {
    fn advance(&mut self) -> bool {
        match self.tokens.next() {
            Some(next) => {
                self.now = next;
                true
            }
            None => false,
        }
    }

    fn token(&self) -> &Token {
        &self.now
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_languages() {
        let plain =
            |text: &str| words(text).into_iter().map(|token| token.text).collect::<Vec<_>>().join(" ");
        for (text, expected) in [
            ("Größe 42, Übergröße?", "grosse 42 ubergrosse"),
            ("Où est mon colis", "ou est mon colis"),
            ("我的包裹在哪里？", "我 的 包 裹 在 哪 里"),
            ("カメラの返品", "カ メ ラ の 返 品"),
            ("배송 조회", "배송 조회"),
            ("Где мой заказ", "где мой заказ"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
