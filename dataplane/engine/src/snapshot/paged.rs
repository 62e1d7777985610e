//! An array whose copies share the pages that did not change.

use std::sync::Arc;

/// The array. Indices that were never set read as the default.
#[derive(Clone, Debug)]
pub(super) struct Paged<T, const PAGE: usize> {
    pages: Vec<Arc<[T; PAGE]>>,
}

impl<T, const PAGE: usize> Default for Paged<T, PAGE> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T: Clone + Default, const PAGE: usize> Paged<T, PAGE> {
    /// The value at `index`, where a page for it exists.
    #[inline(always)]
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        Some(&self.pages.get(index / PAGE)?[index % PAGE])
    }

    /// Sets the value at `index`; copies one page at most.
    pub(super) fn set(&mut self, index: usize, value: T) {
        while self.pages.len() <= index / PAGE {
            self.pages.push(Arc::new(std::array::from_fn(|_| T::default())));
        }
        Arc::make_mut(&mut self.pages[index / PAGE])[index % PAGE] = value;
    }
}
