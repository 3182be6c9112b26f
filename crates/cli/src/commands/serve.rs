//! `feedspine serve`: the daemon, with a server beside it and subscriptions that are kept.

use std::pin::pin;

use feedspine::core::Json;
use feedspine::{Ending, OpError};
use feedspine_server::Server;
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver;

use super::{Context, watch};
use crate::arguments;
use crate::printer::Format;

/// So many pushes may wait to be told; whoever pushes more waits for its answer.
const UNTOLD: usize = 16;

pub(super) async fn run(arguments: arguments::Serve, context: Context<'_>) -> Result<Ending, OpError> {
    let arguments::Serve { listen, watch: arguments } = arguments;
    let server = Server::bind(listen).await?;
    let address = format!("http://{}", server.address());
    match context.printer.format() {
        Format::Json => {
            context.printer.json(&watch::event("listening", Json::object([("address", address.as_str().into())])));
        }
        Format::Text => context.printer.note(format!("listening at {address}")),
    }
    let grace = context.config.grace;
    watch::run_beside(arguments, context, async |engine, stopped| {
        let (told, mut pushes) = mpsc::channel(UNTOLD);
        let answering = server.run(engine.clone(), grace, told, heard(stopped.clone()));
        let telling = async {
            let mut answering = pin!(answering);
            loop {
                tokio::select! {
                    Some(report) = pushes.recv() => watch::pushed(context.printer, &report),
                    () = &mut answering => break,
                }
            }
            while let Ok(report) = pushes.try_recv() {
                watch::pushed(context.printer, &report);
            }
        };
        tokio::join!(telling, engine.keep_subscriptions(heard(stopped)));
    })
    .await
}

/// Until the daemon is stopped.
async fn heard(mut stopped: Receiver<bool>) {
    // Whoever would tell is gone: then it is over too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
