//! The sources that are read at the moment, for whoever looks at them from outside of the pipeline.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::HostSource;
use crate::plugin::ComponentSource;

/// See the module. Cloning shares it.
#[derive(Clone, Default)]
pub struct Roster(Arc<RwLock<HashMap<Arc<str>, Arc<ComponentSource>>>>);

impl Roster {
    pub(super) fn new<'a>(sources: impl IntoIterator<Item = &'a HostSource>) -> Self {
        let roster = Self::default();
        roster.add(sources);
        roster
    }

    /// A source by its name.
    pub fn get(&self, name: &str) -> Option<Arc<ComponentSource>> {
        let sources = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sources.get(name).cloned()
    }

    /// Adds sources, and puts others into the places of those of the same name.
    pub(super) fn add<'a>(&self, sources: impl IntoIterator<Item = &'a HostSource>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let sources = sources.into_iter();
        all.extend(sources.map(|source| (Arc::clone(&source.name), Arc::clone(&source.source))));
    }

    /// Forgets the others.
    pub(super) fn keep(&self, is_read: impl Fn(&str) -> bool) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, _| is_read(name));
    }
}
