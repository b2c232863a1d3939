//! Contract of outgoing mail: the embedded mailbox, and SMTP against a server in this process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use parking_lot::Mutex;
use rstest::rstest;
use sale::Keys;
use stores::{
    StoreError,
    mail::{Mail, MailUrl, MailUrlError, Mailer, SendOutcome, connect, mailbox::Mailbox},
    testing::{Fresh, live_postgres, sqlite},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;

fn mail() -> Mail {
    Mail {
        message_id: "0197b4a0-openrun@shop.example".to_owned(),
        to: "buyer@example.com".to_owned(),
        subject: "주문이 접수되었습니다".to_owned(),
        text: "안녕하세요.\n주문 번호: 0197b4a0\n".to_owned(),
        language: "ko",
    }
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn the_mailbox_keeps_a_mail_once_and_shows_it_to_who_has_the_keys(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let (database, keys) = (&fresh.database, Keys::generate());
    let mailer = connect("mailbox:", database, &keys).unwrap();
    assert_eq!(mailer.send(&mail()).await.unwrap(), SendOutcome::Accepted);
    let again = Mail { subject: "again".to_owned(), ..mail() };
    assert_eq!(mailer.send(&again).await.unwrap(), SendOutcome::Accepted);

    let mailbox = Mailbox::new(database.clone(), keys.personal_data);
    let letters = mailbox.list(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter = mailbox.show(letters[0].id).await.unwrap().unwrap();
    assert_eq!(letter, letters[0]);
    assert_eq!((&letter.to, &letter.subject, &letter.text), (&mail().to, &mail().subject, &mail().text));
    assert_eq!(mailbox.show(letter.id + 1).await.unwrap(), None);

    let stranger = Mailbox::new(database.clone(), Keys::generate().personal_data);
    assert!(stranger.list(10).await.is_err());
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn the_mailbox_holds_nothing_personal_in_the_clear(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let database = &fresh.database;
    Mailbox::new(database.clone(), Keys::generate().personal_data).send(&mail()).await.unwrap();
    let row: (Vec<u8>, Vec<u8>, Vec<u8>) =
        sqlx::query_as("SELECT recipient, subject, body FROM mails").fetch_one(database.reader()).await.unwrap();
    for column in [row.0, row.1, row.2] {
        let text = String::from_utf8_lossy(&column);
        assert!(!text.contains("buyer") && !text.contains("주문"), "{text}");
    }
}

/// A mail server of the test, with one answer of its own.
struct FakeServer {
    url: String,
    received: Arc<Mutex<Vec<String>>>,
    _connections: TaskTracker,
}

/// What it answers otherwise than a kind server: to lines that begin so. The greeting answers `banner`, a whole mail `.`.
#[derive(Clone, Copy)]
struct Answer {
    to: &'static str,
    says: &'static str,
}

const KIND: Answer = Answer { to: "nothing", says: "" };

impl Answer {
    fn find(self, line: &str) -> Option<&'static str> {
        line.starts_with(self.to).then_some(self.says)
    }
}

impl FakeServer {
    async fn start(special: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}?from=Shop%20%3Cshop@example.com%3E", listener.local_addr().unwrap());
        let (received, connections) = (Arc::<Mutex<Vec<String>>>::default(), TaskTracker::new());
        let (inbox, tracker) = (Arc::clone(&received), connections.clone());
        connections.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tracker.spawn(serve(socket, special, Arc::clone(&inbox)));
            }
        });
        Self { url, received, _connections: connections }
    }

    async fn mailer(&self) -> Arc<dyn Mailer> {
        connect(&self.url, &sqlite().await.database, &Keys::generate()).unwrap()
    }
}

/// One conversation, as far as a client of this program needs it.
async fn serve(mut socket: TcpStream, special: Answer, inbox: Arc<Mutex<Vec<String>>>) {
    let (reader, mut writer) = socket.split();
    let mut lines = BufReader::new(reader).lines();
    let mut body: Option<String> = None;
    let mut answer = special.find("banner").unwrap_or("220 fake");
    loop {
        if writer.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
        let line = loop {
            let Ok(Some(line)) = lines.next_line().await else { return };
            match &mut body {
                Some(text) if line != "." => text.extend([&line, "\r\n"]),
                Some(_) | None => break line,
            }
        };
        let usual = match (line.split(' ').next().unwrap_or_default(), body.take()) {
            (".", Some(text)) => {
                if special.find(".").is_none() {
                    inbox.lock().push(text);
                }
                "250 kept"
            }
            ("DATA", _) => "354 go on",
            ("QUIT", _) => return,
            _ => "250 fine",
        };
        answer = special.find(&line).unwrap_or(usual);
        if answer.starts_with("354") {
            body = Some(String::new());
        }
    }
}

#[tokio::test]
async fn a_mail_goes_out_with_its_headers() {
    let server = FakeServer::start(KIND).await;
    let mailer = server.mailer().await;
    for _ in 0..2 {
        assert_eq!(mailer.send(&mail()).await.unwrap(), SendOutcome::Accepted);
    }
    let received = server.received.lock().clone();
    assert_eq!(received.len(), 2);
    for text in &received {
        for header in [
            "Message-ID: <0197b4a0-openrun@shop.example>\r\n",
            "From: Shop <shop@example.com>\r\n",
            "To: buyer@example.com\r\n",
            "Content-Language: ko\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Date: ",
            "Subject: =?utf-8?b?",
        ] {
            assert!(text.contains(header), "no {header} in {text}");
        }
        assert!(text.is_ascii());
    }
}

#[rstest]
#[case::recipient(Answer { to: "RCPT", says: "550 5.1.1 <buyer@example.com> is nobody here" })]
#[case::text(Answer { to: ".", says: "554 5.7.1 not wanted" })]
#[tokio::test]
async fn a_refusal_for_good_is_an_answer(#[case] special: Answer) {
    let server = FakeServer::start(special).await;
    assert_eq!(server.mailer().await.send(&mail()).await.unwrap(), SendOutcome::Rejected);
}

#[rstest]
#[case::greylisted(Answer { to: "RCPT", says: "451 4.7.1 <buyer@example.com> try later" })]
#[case::full(Answer { to: ".", says: "452 4.3.1 full" })]
#[case::busy(Answer { to: "banner", says: "421 4.3.2 busy" })]
#[case::closed(Answer { to: "banner", says: "554 5.3.2 closed" })]
#[case::no_greeting(Answer { to: "EHLO", says: "500 5.5.1 what" })]
#[tokio::test]
async fn trouble_with_the_server_leaves_it_open_whether_the_mail_went(#[case] special: Answer) {
    let server = FakeServer::start(special).await;
    let trouble = server.mailer().await.send(&mail()).await.unwrap_err();
    assert!(matches!(trouble, StoreError::Unavailable { store: "mail server", .. }));
    assert!(!trouble.to_string().contains("buyer"), "{trouble}");
    assert_eq!(server.received.lock().len(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_says_nothing_is_trouble_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let mailer = connect(&url, &sqlite().await.database, &Keys::generate()).unwrap();
    // The listener accepts and never says a word. With the clock paused the time-out comes at once.
    tokio::time::pause();
    assert!(mailer.send(&mail()).await.is_err());
    tokio::time::resume();
    drop(listener);
    assert!(mailer.send(&mail()).await.is_err());
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_asking_anyone() {
    let mailer = FakeServer::start(KIND).await.mailer().await;
    for bad in ["", "buyer", "buyer@example.com\r\nBcc: all@example.com", "a@b, c@d"] {
        let mail = Mail { to: bad.to_owned(), ..mail() };
        assert_eq!(mailer.send(&mail).await.unwrap(), SendOutcome::Rejected, "{bad}");
    }
}

#[test]
fn an_address_of_outgoing_mail_is_checked_at_the_start() {
    for good in
        ["mailbox:", "smtp://mail:2525", "smtps://user:secret@mail?from=shop@example.com", "smtp://m?tls=required"]
    {
        assert!(MailUrl::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "mailbox", "http://mail", "smtp:", "smtp://mail?tls=maybe"] {
        assert!(matches!(MailUrl::parse(bad), Err(MailUrlError::Unknown(_))), "{bad}");
    }
    assert!(matches!(MailUrl::parse("smtp://mail?from=shop"), Err(MailUrlError::BadSender(_))));
    let shown = format!("{:?}", MailUrl::parse("smtps://user:secret@mail").unwrap());
    assert!(!shown.contains("secret"), "{shown}");
}
