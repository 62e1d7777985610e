//! TLS of clients that believe any certificate, and say which they were shown.

use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};

use super::Connection;

/// What clients of TLS have in common: sessions, and the certificates that they were shown.
#[derive(Clone)]
pub struct Tls {
    pub config: Arc<ClientConfig>,
    shown: Arc<Mutex<Vec<CertificateDer<'static>>>>,
}

impl Tls {
    /// Of clients that speak these protocols, and come back to sessions or begin each anew.
    pub fn new(protocols: &[&str], resume: bool) -> Self {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let provider = Arc::new(ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Witness(Arc::clone(&shown))))
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        if !resume {
            config.resumption = Resumption::disabled();
        }
        Self { config: Arc::new(config), shown }
    }

    /// A connection in TLS, in whatever namespace the thread is.
    pub fn open(&self, to: SocketAddr, name: &str) -> std::io::Result<Connection> {
        let stream = Connection::stream(to)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let session = ClientConnection::new(Arc::clone(&self.config), name).map_err(std::io::Error::other)?;
        let mut stream: StreamOwned<ClientConnection, TcpStream> = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Connection::over(stream))
    }

    /// How many different certificates were shown in whole handshakes.
    pub fn certificates(&self) -> usize {
        self.shown.lock().unwrap().len()
    }
}

#[derive(Debug)]
struct Witness(Arc<Mutex<Vec<CertificateDer<'static>>>>);

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut shown = self.0.lock().unwrap();
        if !shown.iter().any(|seen| seen == end_entity) {
            shown.push(end_entity.clone().into_owned());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // A certificate with another's key is what a torn change would show.
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &ring::default_provider().signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &ring::default_provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
