//! The lists of the administration, page after page.

/// How many items are asked for at a time.
pub(super) const PAGE_SIZE: u32 = 1000;

/// Handles each item of a list. The walk has a `client`, and makes requests with `sent`.
macro_rules! each {
    ($walk:ident.$rpc:ident($request:ident { $($field:ident: $value:expr),* }).$items:ident, $item:ident => $act:expr) => {
        let mut page_token = String::new();
        loop {
            let page_size = $crate::cli::pages::PAGE_SIZE;
            let request = wire::$request { $($field: $value.to_owned(),)* page_size, page_token };
            let page = $walk.client.$rpc($walk.sent(request)).await?.into_inner();
            for $item in page.$items {
                $act?;
            }
            if page.next_page_token.is_empty() {
                break;
            }
            page_token = page.next_page_token;
        }
    };
}

pub(super) use each;
