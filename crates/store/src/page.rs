//! Pages of a list.

use artifact_domain::filter::PageLimit;
use artifact_domain::wire::Page;

/// How many items to ask for: one more than the page has, to know whether another page follows.
pub(crate) const fn wanted(limit: PageLimit) -> u32 {
    limit.get() + 1
}

/// The page of items that were asked for with [`wanted`]. `cursor` names the place of an item.
pub(crate) fn page<T>(
    mut items: Vec<T>,
    limit: PageLimit,
    cursor: impl FnOnce(&T) -> String,
) -> Page<T> {
    let size = limit.get() as usize;
    let more = items.len() > size;
    items.truncate(size);
    let next_cursor = items.last().filter(|_| more).map(cursor);
    Page { items, next_cursor }
}
