//! Mail by SMTP.
//!
//! What a mail server says may repeat the address or the text, so only its code gets into errors, and so into logs.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{
        Mailbox as Address,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{AsyncSmtpTransportBuilder, Error},
};
use sale::Clock;
use tokio::time::timeout;
use url::Url;

use super::{Mail, MailUrlError, Mailer, SendOutcome};
use crate::StoreError;

/// A mail that has not gone by then is tried again later.
const TIMEOUT: Duration = Duration::from_secs(10);

const DEFAULT_SENDER: &str = "openrun@localhost";

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// A mail server and who writes by it.
#[derive(Clone)]
pub struct SmtpServer {
    builder: AsyncSmtpTransportBuilder,
    from: Address,
}

/// Without the password.
impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpServer").field("from", &self.from.to_string()).finish_non_exhaustive()
    }
}

impl SmtpServer {
    pub(super) fn parse(text: &str) -> Result<Self, MailUrlError> {
        let unknown = |fault: &dyn fmt::Display| MailUrlError::Unknown(fault.to_string());
        let url = Url::parse(text).map_err(|fault| unknown(&fault))?;
        let builder = Transport::from_url(text).map_err(|fault| unknown(&fault))?.timeout(Some(TIMEOUT));
        let from = url.query_pairs().find(|(name, _)| name == "from");
        let from = from.map_or_else(|| DEFAULT_SENDER.to_owned(), |(_, sender)| sender.into_owned());
        let from = from.parse().map_err(|_| MailUrlError::BadSender(from))?;
        Ok(Self { builder, from })
    }
}

/// Sends mails by a mail server.
pub struct SmtpMailer {
    transport: Transport,
    from: Address,
    clock: Arc<Clock>,
}

impl SmtpMailer {
    pub fn new(server: &SmtpServer, clock: Arc<Clock>) -> Self {
        Self { transport: server.builder.clone().build(), from: server.from.clone(), clock }
    }

    /// The mail as it is sent; `None` when its recipient is no address.
    fn message(&self, mail: &Mail) -> Option<Message> {
        let header = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        let since_epoch = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        Message::builder()
            .message_id(Some(format!("<{}>", mail.message_id)))
            .date(UNIX_EPOCH + Duration::from_millis(since_epoch))
            .from(self.from.clone())
            .to(mail.to.parse().ok()?)
            .subject(&mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .raw_header(header("Content-Language", mail.language))
            // Tells holiday notices and the like not to answer (RFC 3834).
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .body(mail.text.clone())
            .ok()
    }

    /// A refusal counts as one of the mail only when the server talks to us at all: one that shuts everybody out, or does
    /// not accept our password, refuses with the same codes.
    async fn after(&self, refusal: &Error) -> Result<SendOutcome, StoreError> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(SendOutcome::Rejected),
            Ok(false) | Err(_) => Err(trouble(refusal)),
        }
    }

    async fn hand_over(&self, message: Message) -> Result<SendOutcome, StoreError> {
        match self.transport.send(message).await {
            Ok(_) => Ok(SendOutcome::Accepted),
            Err(refusal) if refusal.is_permanent() => self.after(&refusal).await,
            Err(error) => Err(trouble(&error)),
        }
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<SendOutcome, StoreError> {
        let Some(message) = self.message(mail) else { return Ok(SendOutcome::Rejected) };
        let sent = timeout(TIMEOUT, self.hand_over(message)).await;
        sent.unwrap_or_else(|late| Err(StoreError::unavailable("mail server", late)))
    }
}

fn trouble(error: &Error) -> StoreError {
    let told = match error.status() {
        Some(code) => format!("it answered {code}"),
        None if error.is_response() => "it answered something that is not SMTP".to_owned(),
        None => error.to_string(),
    };
    StoreError::unavailable("mail server", told)
}
