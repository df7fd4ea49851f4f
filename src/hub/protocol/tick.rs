//! Makes waiting for a file's bytes interruptible: a read that brings nothing for a moment comes
//! back as a time-out, so that the caller can look whether somebody pressed Stop, and reads on.
//!
//! Only while a body is read: connecting and waiting for headers keep their own time-outs.

use std::time::Duration;

use ureq::Timeout;
use ureq::unversioned::transport::time::Duration as Wait;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// How long a Stop can go unnoticed.
pub const TICK: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub struct TickConnector;

impl<In: Transport> Connector<In> for TickConnector {
    type Out = TickTransport<In>;

    fn connect(
        &self,
        _details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(TickTransport))
    }
}

#[derive(Debug)]
pub struct TickTransport<In>(In);

impl<In: Transport> Transport for TickTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let timeout = match timeout.reason {
            Timeout::RecvBody => NextTimeout { per_read: Some(Wait::from(TICK)), ..timeout },
            _ => timeout,
        };
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
