//! `/console/sign-in`, and the page that a sign-in link opens: reading a link must not use it up, mail programs do that.

use askama::Template;

use crate::{Layout, assets, pages::rendered};

/// The page.
#[derive(Clone, Debug, Template)]
#[template(path = "console/sign_in.html")]
pub struct SignInPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// What it says.
    pub state: SignIn,
}

/// What the sign-in page says.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// How to get a link.
    Explained {
        /// Whether this is the demo.
        demo: bool,
    },
    /// A link was opened; the button uses it.
    Confirm {
        /// The link's token, for POST `/console/sign-in/{token}`.
        token: String,
    },
    /// The link was used or is too old.
    Refused,
}

impl SignInPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    fn title(&self) -> &'static str {
        let console = &self.layout.messages().console;
        match self.state {
            SignIn::Explained { .. } => console.sign_in.title,
            SignIn::Confirm { .. } => console.sign_in.confirm_title,
            SignIn::Refused => console.sign_in.used_title,
        }
    }
}
