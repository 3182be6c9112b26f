//! How the kit gets stores: a fresh schema for each.

use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{Result, StateStore, StorageBackend};
use feedspine_postgres::PostgresStore;
use feedspine_testkit::state::StateProvider;
use feedspine_testkit::storage::StorageProvider;

use crate::support::{Place, Server};

/// Stores on one server.
pub(crate) struct Postgres(pub(crate) Server);

#[async_trait]
impl StorageProvider for Postgres {
    type Place = Place;

    async fn place(&self) -> Result<Place> {
        Ok(self.0.place())
    }

    async fn open(&self, place: &Place) -> Result<Arc<dyn StorageBackend>> {
        Ok(Arc::new(PostgresStore::from_url(place.url())?))
    }
}

#[async_trait]
impl StateProvider for Postgres {
    type Place = Place;

    async fn place(&self) -> Result<Place> {
        Ok(self.0.place())
    }

    async fn open(&self, place: &Place) -> Result<Arc<dyn StateStore>> {
        Ok(Arc::new(PostgresStore::from_url(place.url())?))
    }

    async fn storage(&self, place: &Place) -> Result<Option<Arc<dyn StorageBackend>>> {
        // A handle of its own, as another process has one.
        StorageProvider::open(self, place).await.map(Some)
    }

    fn is_durable(&self) -> bool {
        true
    }
}
