//! Mail by SMTP.
//!
//! A reply of a mail server may repeat the address or the text, so only its code gets into errors and logs.

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

/// How long one attempt to send may take; the mail is sent again later.
const TIMEOUT: Duration = Duration::from_secs(10);

const DEFAULT_SENDER: &str = "openrun@localhost";

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// A mail server and the sender of its mails.
#[derive(Clone)]
pub struct SmtpServer {
    builder: AsyncSmtpTransportBuilder,
    from: Address,
}

/// Leaves the password out.
impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpServer").field("from", &self.from.to_string()).finish_non_exhaustive()
    }
}

impl SmtpServer {
    pub(super) fn parse(text: &str) -> Result<Self, MailUrlError> {
        let unknown = |error: &dyn fmt::Display| MailUrlError::Unknown(error.to_string());
        let url = Url::parse(text).map_err(|error| unknown(&error))?;
        let builder = Transport::from_url(text).map_err(|error| unknown(&error))?.timeout(Some(TIMEOUT));
        let from = url.query_pairs().find(|(name, _)| name == "from");
        let from = from.map_or_else(|| DEFAULT_SENDER.to_owned(), |(_, sender)| sender.into_owned());
        let from = from.parse().map_err(|_| MailUrlError::BadSender(from))?;
        Ok(Self { builder, from })
    }
}

/// Sends mails through a mail server.
pub struct SmtpMailer {
    transport: Transport,
    from: Address,
    clock: Arc<Clock>,
}

impl SmtpMailer {
    pub fn new(server: &SmtpServer, clock: Arc<Clock>) -> Self {
        Self { transport: server.builder.clone().build(), from: server.from.clone(), clock }
    }

    /// The mail in the format of SMTP; `None` when its recipient is not an address.
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
            // Suppresses vacation notices and other automatic replies (RFC 3834).
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .body(mail.text.clone())
            .ok()
    }

    /// A permanent rejection concerns the mail only if the server accepts connections from us: a server that blocks every
    /// client, or does not accept our password, uses the same codes.
    async fn check_rejection(&self, rejection: &Error) -> Result<SendOutcome, StoreError> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(SendOutcome::Rejected),
            Ok(false) | Err(_) => Err(unavailable(rejection)),
        }
    }

    async fn hand_over(&self, message: Message) -> Result<SendOutcome, StoreError> {
        match self.transport.send(message).await {
            Ok(_) => Ok(SendOutcome::Accepted),
            Err(rejection) if rejection.is_permanent() => self.check_rejection(&rejection).await,
            Err(error) => Err(unavailable(&error)),
        }
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<SendOutcome, StoreError> {
        let Some(message) = self.message(mail) else { return Ok(SendOutcome::Rejected) };
        let sent = timeout(TIMEOUT, self.hand_over(message)).await;
        sent.unwrap_or_else(|elapsed| Err(StoreError::unavailable("mail server", elapsed)))
    }
}

fn unavailable(error: &Error) -> StoreError {
    let detail = match error.status() {
        Some(code) => format!("replied {code}"),
        None if error.is_response() => "replied something that is not SMTP".to_owned(),
        None => error.to_string(),
    };
    StoreError::unavailable("mail server", detail)
}
