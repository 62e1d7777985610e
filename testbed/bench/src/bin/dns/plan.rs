//! What the generator is told, and what it tells.

use serde::{Deserialize, Serialize};

use crate::queries::Names;

/// One run of the generator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Its port.
    pub(crate) device: String,
    /// What is asked for, and counted.
    pub(crate) names: Names,
    /// Queries a second; `None`: as many as go out.
    pub(crate) rate: Option<f64>,
    /// What is sent beside it.
    pub(crate) beside: Option<Flood>,
    /// What comes back are the queries themselves.
    pub(crate) echo: bool,
    /// For so long.
    pub(crate) seconds: f64,
}

/// Queries whose answers do not matter.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Flood {
    /// What they ask for.
    pub(crate) names: Names,
    /// From sources of a network so wide that none of them asks twice.
    pub(crate) spoofed: bool,
    /// Of them a second; `None`: as many as go out.
    pub(crate) rate: Option<f64>,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// For how long it was counted.
    pub(crate) seconds: f64,
    /// Queries that went out.
    pub(crate) sent: u64,
    /// Right answers to them.
    pub(crate) answered: u64,
    /// Answers that were not right.
    pub(crate) wrong: u64,
    /// Answers to nothing, or that came too late to know to what.
    pub(crate) stray: u64,
    /// Queries of the flood beside them.
    pub(crate) beside: u64,
    /// Packets that came to the generator's port and found no room there: its own doing, not the server's.
    pub(crate) missed: u64,
    /// Packets that an end of the veth pair dropped, on the way there or back.
    #[serde(default)]
    pub(crate) wire: u64,
    /// Microseconds from a query to its answer that half of them, 99 % and 99.9 % do not exceed.
    pub(crate) latency: [f64; 3],
}

impl Plan {
    /// As many queries as go out, for a second and a half.
    pub(crate) fn new(names: Names) -> Self {
        // Of the two drivers the one that sends more.
        let device = "net_af_xdp0,iface=up1".to_owned();
        Self { device, names, rate: None, beside: None, echo: false, seconds: 1.5 }
    }

    /// At so many queries a second instead.
    pub(crate) fn at(mut self, rate: f64) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Beside this flood.
    pub(crate) fn beside(mut self, flood: Flood) -> Self {
        self.beside = Some(flood);
        self
    }
}

impl Outcome {
    /// Right answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.seconds
    }

    /// Queries without a right answer, in percent.
    pub(crate) fn loss(&self) -> f64 {
        100.0 * (1.0 - self.answered as f64 / self.sent.max(1) as f64)
    }
}
