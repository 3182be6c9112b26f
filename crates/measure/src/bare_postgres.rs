//! The limit that the PostgreSQL store is measured against: one multi-row upsert a batch, in a statement of its own.

use feedspine_core::Candidate;
use tokio_postgres::{Client, NoTls, Statement};

use crate::candidates::Snapshot;

/// One table with a unique key, one prepared statement, one connection.
#[derive(Debug)]
pub struct BarePostgres {
    client: Client,
    upsert: Statement,
    find: Statement,
}

impl BarePostgres {
    /// Connects, and makes the table anew.
    ///
    /// # Panics
    /// When the server refuses: a measurement without its limit is none.
    pub async fn open(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server runs");
        tokio::spawn(connection);
        client
            .batch_execute(
                "DROP TABLE IF EXISTS public.items;
                 CREATE TABLE public.items (
                     namespace text NOT NULL, key_hash bytea NOT NULL, key text NOT NULL,
                     hash bytea NOT NULL, content text NOT NULL,
                     PRIMARY KEY (namespace, key_hash)
                 )",
            )
            .await
            .expect("the table can be made");
        let upsert = "INSERT INTO public.items (namespace, key_hash, key, hash, content)
             SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::bytea[], $5::text[])
             ON CONFLICT (namespace, key_hash) DO UPDATE SET hash = excluded.hash, content = excluded.content";
        let find = "SELECT key, hash, content FROM public.items WHERE namespace = $1 AND key_hash = $2";
        let upsert = client.prepare(upsert).await.expect("a good statement");
        let find = client.prepare(find).await.expect("a good statement");
        Self { client, upsert, find }
    }

    /// Upserts every snapshot, each in a transaction of its own, one after the other.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn upsert(&self, snapshots: &[Snapshot]) {
        for Snapshot { items, .. } in snapshots {
            let namespaces: Vec<&str> = items.iter().map(|item| item.key.namespace().as_str()).collect();
            let key_hashes: Vec<[u8; 32]> = items.iter().map(|item| *item.key.hash().as_bytes()).collect();
            let key_hashes: Vec<&[u8]> = key_hashes.iter().map(<[u8; 32]>::as_slice).collect();
            let keys: Vec<&str> = items.iter().map(|item| item.key.key()).collect();
            let hashes: Vec<[u8; 32]> = items.iter().map(|item| *item.content.hash().as_bytes()).collect();
            let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
            let contents: Vec<&str> = items.iter().map(|item| item.content.as_str()).collect();
            let written = self
                .client
                .execute(&self.upsert, &[&namespaces, &key_hashes, &keys, &hashes, &contents])
                .await
                .expect("the server takes it");
            assert_eq!(written, items.len() as u64);
        }
    }

    /// Selects one item by its key.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn find(&self, item: &Candidate) -> String {
        let namespace = item.key.namespace().as_str();
        let key_hash = *item.key.hash().as_bytes();
        let row = self.client.query_one(&self.find, &[&namespace, &key_hash.as_slice()]).await;
        row.expect("every item was upserted before").get(2)
    }
}
