//! What Ingresses are told: the gateway's addresses in their statuses, and what is wrong with them in Events; by the
//! gateway that leads.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::Ingress;
use kube::runtime::events::Recorder;
use sluice_feed::{Kinds, Server};
use sluice_model::{Generation, ServiceName};

use super::election::Election;
use super::events::{self, About};
use super::general;
use super::notes::{Note, Notes};
use super::writer::Writer;
use crate::desired::Desired;
use crate::status::ingress_patch;
use crate::{Level, Problem};

/// What Ingresses are told.
pub(super) struct Ingresses {
    addresses: Vec<IpAddr>,
    writer: Writer,
    leads: bool,
    /// Since a moment ago.
    begins: bool,
    /// Ingresses or classes have changed since statuses were last looked at.
    changed: bool,
    recorder: Recorder,
    notes: Notes,
}

impl Ingresses {
    /// Statuses say these addresses.
    pub(super) fn new(client: &kube::Client, election: &Election, addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            writer: Writer::new(client, &election.leadership),
            leads: false,
            begins: false,
            changed: true,
            recorder: election.recorder.clone(),
            notes: Notes::new(Instant::now()),
        }
    }

    /// An Ingress or a class has changed, or is gone.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    /// Whether this gateway has begun to lead since the last call.
    pub(super) fn begins(&mut self) -> bool {
        std::mem::take(&mut self.begins)
    }

    /// Decides what statuses are to say. True where a generation has to be published for it, be it without changes.
    pub(super) fn decide(&mut self, desired: &Desired) -> bool {
        if !self.writer.leads() {
            if std::mem::take(&mut self.leads) {
                self.writer.forget();
            }
            self.notes.forget();
            return false;
        }
        if !std::mem::replace(&mut self.leads, true) {
            (self.begins, self.changed) = (true, true);
        }
        if !std::mem::take(&mut self.changed) {
            return false;
        }
        let mut any = false;
        for (ingress, owned) in desired.ingresses() {
            let says = ingress.shown.says(&self.addresses);
            // One that was ours, or of a gateway of the same addresses; what others say is theirs.
            let wanted = match (owned, says) {
                (true, false) => self.addresses.clone(),
                (false, true) => Vec::new(),
                _ => {
                    self.writer.drop(&ingress.name);
                    continue;
                }
            };
            any = true;
            self.writer.decide(ingress.name.clone(), wanted);
        }
        any
    }

    /// What was decided is published as of this generation.
    pub(super) fn published(&mut self, generation: Generation) {
        self.writer.published(generation);
    }

    /// Writes statuses and Events that are due.
    pub(super) fn write(&mut self, desired: &Desired, server: &Server) {
        // Packets have to come to the proxy, and the proxy has to know what to do with them.
        let served = |generation| {
            let mut proxies = server.subscribers().into_iter().filter(|it| it.kinds.contains(Kinds::HTTP));
            let all = |it: sluice_feed::SubscriberStatus| it.acked >= generation;
            proxies.next().is_some_and(all)
                && proxies.all(all)
                && server.wait_acked(generation, Duration::ZERO)
        };
        self.writer.write::<Ingress>(served, |name, addresses| {
            let (ingress, _) = desired.ingress(name)?;
            ingress_patch(name, &ingress.shown, addresses)
        });
        let now = Instant::now();
        while self.leads
            && let Some((name, note)) = self.notes.next(now)
        {
            self.send(&name, note, desired);
        }
    }

    /// Tells Ingresses what is wrong with them, where that is news.
    pub(super) fn tell(&mut self, problems: &[Problem], desired: &Desired) {
        if self.leads {
            self.notes.tell(problems, desired);
        }
    }

    /// What is wrong: statuses that could not be written.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let failed = self.writer.failures();
        failed.map(|(name, message)| general(&format!("Ingress {name}"), message)).collect()
    }

    /// Nothing more is written.
    pub(super) fn end(self) {
        self.writer.end();
    }

    fn send(&self, name: &ServiceName, Note { level, text }: Note, desired: &Desired) {
        let Some((ingress, true)) = desired.ingress(name) else { return };
        let about = About {
            api_version: "networking.k8s.io/v1",
            kind: "Ingress",
            name,
            uid: ingress.shown.uid.as_deref(),
        };
        let reason = if level == Level::Error { "NotServedAsWritten" } else { "NotKnown" };
        events::warn(&self.recorder, &about, "Serve", reason, text);
    }
}
