//! Connections that come in, and one of them from its first byte to its last. One thread serves all of
//! them.

use std::convert::Infallible;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use futures_lite::future::or;
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::connections::{Connection, Connections};
use super::stream::{Clock, Stream};

/// Browsers send 12 headers and less than 2 KiB.
const MOST_HEADERS: usize = 40;
const MOST_HEADER_BYTES: usize = 8_192;

/// How long whoever has connected may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the headers of a request, and between two requests.
    pub headers: Duration,

    /// For the body of a request.
    pub body: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { headers: Duration::from_secs(10), body: Duration::from_secs(5) }
    }
}

/// Lets connections in and has `answer` answer their requests, for ever.
pub async fn accept<'a, A, F, B>(
    listener: &Async<TcpListener>,
    executor: &LocalExecutor<'a>,
    (connections, patience): (&Rc<Connections>, Patience),
    answer: A,
) -> !
where
    A: Fn(Request<Incoming>, Rc<Connection>) -> F + Clone + 'a,
    F: Future<Output = Response<B>> + 'a,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => {
                let connections = Rc::clone(connections);
                let served = connection(connections, patience, tcp, answer.clone());
                executor.spawn(served).detach();
            }
            Err(err) => {
                // Mostly: no more files can be open. The next one may have more luck.
                log::debug!("a connection: {err}");
                connections.make_room();
                Timer::after(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection<A, F, B>(
    connections: Rc<Connections>,
    patience: Patience,
    tcp: Async<TcpStream>,
    answer: A,
) where
    A: Fn(Request<Incoming>, Rc<Connection>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let entry = connections.enter();
    if let Err(err) = tcp.get_ref().set_nodelay(true) {
        log::debug!("a connection: {err}");
    }
    let leaving = entry.connection.leaving();
    let service = service_fn(|request| {
        let answer = answer(request, Rc::clone(&entry.connection));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let served = http1::Builder::new()
        .timer(Clock)
        .header_read_timeout(patience.headers)
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_HEADER_BYTES)
        .half_close(false)
        .serve_connection(Stream::new(tcp), service);
    let served = async {
        if let Err(err) = served.await {
            // A phone that went to sleep, or somebody's experiment: nothing to tell anybody.
            log::trace!("a connection: {err}");
        }
    };
    or(leaving, served).await;
}
