//! Pages of lists.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::field::FieldProblem;
use crate::domain::page::{Page, PageRequest};
use crate::edge::Fields;
use crate::service::page_tokens::PageTokens;

impl Fields {
    /// The page of a list that the fields `page_size` and `page_token` request.
    pub(in crate::grpc) fn page(
        &mut self,
        tokens: &PageTokens,
        page_size: u32,
        page_token: &str,
    ) -> Option<PageRequest> {
        let size = self.take("page_size", size_of(page_size));
        let after = self.take_unless_empty("page_token", page_token, |token| key_of(tokens, token));
        Some(PageRequest { size: size?, after })
    }
}

/// A page of a list as messages hold it: its items, and the token of the next page.
pub(in crate::grpc) fn listed<T, U: TryFrom<T>>(
    tokens: &PageTokens,
    page: Page<T>,
) -> Result<(Vec<U>, String), U::Error> {
    let items = page.items.into_iter().map(U::try_from).collect::<Result<_, _>>()?;
    Ok((items, page.next.map(|key| URL_SAFE_NO_PAD.encode(tokens.token(&key))).unwrap_or_default()))
}

fn size_of(page_size: u32) -> Result<u32, FieldProblem> {
    match page_size {
        0 => Ok(PageRequest::DEFAULT_SIZE),
        1..=PageRequest::MAX_SIZE => Ok(page_size),
        _ => Err(FieldProblem::OutOfRange { min: 1, max: PageRequest::MAX_SIZE.into(), found: page_size.into() }),
    }
}

/// The store's key in a page token of the list.
fn key_of(tokens: &PageTokens, page_token: &str) -> Result<String, FieldProblem> {
    let key = URL_SAFE_NO_PAD.decode(page_token).ok().and_then(|token| tokens.key(&token));
    key.ok_or(FieldProblem::Malformed { expected: "must be a next_page_token of the same list" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> PageTokens {
        PageTokens::of(&[1; 32], &["ListRamUsers"])
    }

    fn page(size: u32, token: &str) -> Option<PageRequest> {
        let mut fields = Fields::default();
        let page = fields.page(&tokens(), size, token);
        fields.all(|| page).ok()
    }

    #[test]
    fn a_page_has_fifty_items_by_default_and_a_thousand_at_most() {
        assert_eq!(page(0, "").map(|page| page.size), Some(50));
        assert_eq!(page(1000, "").map(|page| page.size), Some(1000));
        assert_eq!(page(1001, ""), None);
    }

    #[test]
    fn the_token_of_the_next_page_leads_there() {
        let (_, token) =
            listed::<String, String>(&tokens(), Page { items: vec![], next: Some("b\u{e9}ta/1".to_owned()) }).unwrap();
        assert_eq!(page(1, &token).and_then(|page| page.after).as_deref(), Some("b\u{e9}ta/1"));
        for bad in ["b\u{e9}ta", "Yg==", "!", "_w", "AA", &URL_SAFE_NO_PAD.encode("b\u{e9}ta/1")] {
            assert_eq!(page(1, bad), None, "{bad}");
        }
    }
}
